/* The objects that the host holds references of: numbered, counted, kept alive until they are
 * released. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "addon.h"

/* An id is a place in the table and, above it, how often the place was used: so an id is never used
 * again, and finding one takes no search. */
#define PLACE_BITS 24
#define PLACES_MOST (UINT32_C(1) << PLACE_BITS)
#define USES_MOST (ADDON_SAFE_MAX >> PLACE_BITS)

static addon_object *table;
static uint32_t used;       /* places that were ever used; place 0 is the worker itself */
static uint32_t capacity;
static uint32_t first_free; /* 0: none */
static uint32_t live;

uint32_t
addon_object_count(void)
{
    return live;
}

addon_object *
addon_find_object(uint64_t id)
{
    const uint32_t place = (uint32_t)(id & (PLACES_MOST - 1));
    if (UNLIKELY(place == 0 || place >= used || table[place].id != id || table[place].value == NULL))
        return NULL;
    return &table[place];
}

napi_value
addon_object_value(const addon_object *object)
{
    napi_value value = NULL;
    napi_get_reference_value(addon.env, object->value, &value);
    return value;
}

static bool
grow(void)
{
    const uint32_t wanted = capacity == 0 ? 256 : 2 * capacity;
    addon_object *grown;
    if (wanted > PLACES_MOST)
        return false;
    grown = realloc(table, wanted * sizeof *table);
    if (grown == NULL)
        return false;
    table = grown;
    capacity = wanted;
    if (used == 0)
        table[used++] = (addon_object){0};
    return true;
}

/* Returns a free place with a new id, or NULL. */
static addon_object *
take_place(void)
{
    addon_object *object;
    if (first_free != 0) {
        object = &table[first_free];
        first_free = object->next_free;
        *object = (addon_object){.id = object->id + PLACES_MOST};
        return object;
    }
    if (used >= capacity && !grow())
        return NULL;
    object = &table[used];
    *object = (addon_object){.id = used++};
    return object;
}

static void
free_place(addon_object *object)
{
    napi_delete_reference(addon.env, object->value);
    if (object->receiver != NULL)
        napi_delete_reference(addon.env, object->receiver);
    if (object->bound_function != NULL)
        napi_delete_reference(addon.env, object->bound_function);
    object->value = object->receiver = object->bound_function = NULL;
    live--;
    if (object->id >> PLACE_BITS < USES_MOST) {
        object->next_free = first_free;
        first_free = (uint32_t)(object->id & (PLACES_MOST - 1));
    }
}

/* Lets an object go once all its sendings are let go. */
void
addon_object_release(uint64_t id, uint32_t sent)
{
    addon_object *const object = addon_find_object(id);
    if (object == NULL)
        return;
    object->sent -= sent < object->sent ? sent : object->sent;
    if (object->sent > 0)
        return;
    const bool iterates =
        object->kind == WIRE_KIND_ITERATOR || object->kind == WIRE_KIND_ASYNC_ITERATOR;
    napi_value value = iterates ? addon_object_value(object) : NULL;
    free_place(object);
    if (iterates && addon_call_function(ADDON_LET_GO, &value, 1) == NULL)
        addon_take_exception();
}

static bool
fill_place(addon_object *object, const napi_value *arguments)
{
    napi_valuetype type;
    uint32_t kind = WIRE_KIND_OBJECT;
    size_t length = 0;
    napi_get_value_uint32(addon.env, arguments[2], &kind);
    napi_get_value_string_utf8(addon.env, arguments[3], object->name, sizeof object->name, &length);
    napi_get_value_bool(addon.env, arguments[4], &object->bound);
    object->kind = (uint8_t)kind;
    object->name_length = (uint8_t)length;
    if (napi_typeof(addon.env, arguments[1], &type) != napi_ok)
        return false;
    if (napi_create_reference(addon.env, arguments[0], 1, &object->value) != napi_ok)
        return false;
    return type == napi_undefined
           || napi_create_reference(addon.env, arguments[1], 1, &object->receiver) == napi_ok;
}

/* add(value, receiver or undefined, kind, name, bound) -> id */
napi_value
addon_add(napi_env env, napi_callback_info info)
{
    napi_value arguments[5];
    size_t count = 5;
    napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
    addon_object *const object = take_place();
    if (object == NULL) {
        addon_throw("RangeError", "NOODLE_LIMIT", "the host holds too many objects");
        return NULL;
    }
    live++;
    if (!fill_place(object, arguments)) {
        free_place(object);
        addon_throw("TypeError", "NOODLE_REFERENCE", "no reference can be made of this value");
        return NULL;
    }
    return addon_number((double)object->id);
}

/* holds(id) -> bool */
napi_value
addon_holds(napi_env env, napi_callback_info info)
{
    napi_value argument, held;
    size_t count = 1;
    double id = -1;
    napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
    napi_get_value_double(env, argument, &id);
    napi_get_boolean(env, id >= 0 && addon_find_object((uint64_t)id) != NULL, &held);
    return held;
}

/* -------------------------------------------------------------------------------- References */

int
addon_write_reference(void *context, napi_env env, wire_writer *writer, napi_value value)
{
    const napi_value introduced = addon_call_function(ADDON_INTRODUCE, &value, 1);
    wire_reference reference = {.owner = WIRE_OWNER_HOST, .kind = WIRE_KIND_OBJECT, .name = ""};
    double id;
    (void)context;
    if (introduced == NULL || napi_get_value_double(env, introduced, &id) != napi_ok)
        return -1;
    if (id < 0) {
        reference.id = (uint64_t)(-1 - id);
        reference.incarnation = addon.host_incarnation;
    } else {
        addon_object *const object = addon_find_object((uint64_t)id);
        if (object == NULL || !addon_message_note(writer->context, object->id))
            return 0;
        object->sent++;
        reference = (wire_reference){
            .owner = WIRE_OWNER_WORKER,
            .kind = object->kind,
            .sent = 1,
            .id = object->id,
            .incarnation = addon.incarnation,
            .name = object->name,
            .name_length = object->name_length,
        };
    }
    wire_write_reference(writer, &reference);
    return 1;
}

bool
addon_claim(void *context, napi_env env, napi_value value)
{
    const napi_value claimed = addon_call_function(ADDON_CLAIM, &value, 1);
    bool is = false;
    (void)context;
    if (claimed == NULL)
        addon_take_exception();
    else
        napi_get_value_bool(env, claimed, &is);
    return is;
}

/* A method that was read as a property comes back as Python knows it: bound, and the same each time. */
static napi_value
bound_method(addon_object *object)
{
    napi_value receiver, bind, bound = NULL;
    const napi_value function = addon_object_value(object);
    if (object->bound_function != NULL) {
        napi_get_reference_value(addon.env, object->bound_function, &bound);
        return bound;
    }
    if (napi_get_reference_value(addon.env, object->receiver, &receiver) != napi_ok
        || napi_get_named_property(addon.env, function, "bind", &bind) != napi_ok
        || napi_call_function(addon.env, function, bind, 1, &receiver, &bound) != napi_ok
        || napi_create_reference(addon.env, bound, 1, &object->bound_function) != napi_ok)
        return NULL;
    return bound;
}

static napi_value
read_own(const wire_reference *reference)
{
    addon_object *const object = addon_find_object(reference->id);
    if (reference->incarnation != addon.incarnation || object == NULL) {
        addon_throw("ReferenceError", "NOODLE_RELEASED",
                    "the object %llu was released, or belongs to a worker that has ended",
                    (unsigned long long)reference->id);
        return NULL;
    }
    return object->receiver != NULL && object->bound ? bound_method(object)
                                                     : addon_object_value(object);
}

napi_value
addon_read_reference(void *context, napi_env env, const wire_reference *reference)
{
    napi_value arguments[4];
    (void)context;
    if (reference->owner == WIRE_OWNER_WORKER)
        return read_own(reference);
    if (reference->id >= ADDON_SAFE_MAX) {
        addon_throw("RangeError", "NOODLE_PROTOCOL", "an id of the host is beyond 2^53");
        return NULL;
    }
    addon.host_incarnation = reference->incarnation;
    addon_use_contexts();
    arguments[0] = addon_number((double)reference->id);
    napi_create_uint32(env, reference->kind, &arguments[1]);
    napi_create_uint32(env, reference->sent, &arguments[2]);
    if (napi_create_string_utf8(env, reference->name, reference->name_length, &arguments[3])
        != napi_ok)
        return NULL;
    return addon_call_function(ADDON_PROXY, arguments, 4);
}
