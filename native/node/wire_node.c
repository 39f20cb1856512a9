/* The codec's state in a Node.js environment, and how it fails; wire_node.h is the contract. */

#include "wire_node_internal.h"

#include <stdio.h>
#include <stdlib.h>

const wire_node_hooks wire_node_no_hooks;

void
wire_throw(napi_env env, wire_status status, const char *detail)
{
    char text[320];

    snprintf(text, sizeof text, "%s%s%s", wire_status_text(status), detail != NULL ? ": " : "",
             detail != NULL ? detail : "");
    napi_throw_error(env, wire_status_name(status), text);
}

napi_value
wire_node_throw(napi_env env, wire_status status)
{
    bool pending = true;

    napi_is_exception_pending(env, &pending);
    if (!pending)
        wire_throw(env, status, NULL);
    return NULL;
}

int
wire_node_fail(napi_env env)
{
    const napi_extended_error_info *information = NULL;
    bool pending = true;

    napi_get_last_error_info(env, &information);
    const char *text = information != NULL ? information->error_message : NULL;
    napi_is_exception_pending(env, &pending);
    if (!pending)
        napi_throw_error(env, "WIRE_NODE", text != NULL ? text : "N-API failed");
    return -1;
}

/* Hold `global.Constructor[.property]`. */
static bool
hold(napi_env env, const char *name, const char *property, napi_ref *reference)
{
    napi_value value;

    if (napi_get_global(env, &value) != napi_ok ||
        napi_get_named_property(env, value, name, &value) != napi_ok)
        return false;
    if (property != NULL && napi_get_named_property(env, value, property, &value) != napi_ok)
        return false;
    return napi_create_reference(env, value, 1, reference) == napi_ok;
}

/* Make the functions and the memory that long lists of numbers go through. */
static bool
make_numbers(napi_env env, wire_node_codec *codec)
{
    static const char *const copy =
        "(list, into, start, count) => {"
        "  for (let index = 0; index < count; index++) {"
        "    const item = list[start + index];"
        "    if (typeof item !== 'number') return index;"
        "    into[index] = item;"
        "  }"
        "  return count; }";
    static const char *const append =
        "(list, start, from, count) => {"
        "  for (let index = 0; index < count; index++) list[start + index] = from[index]; }";
    napi_value value;
    napi_value buffer;
    void *memory;

    if (napi_create_string_utf8(env, copy, NAPI_AUTO_LENGTH, &value) != napi_ok ||
        napi_run_script(env, value, &value) != napi_ok ||
        napi_create_reference(env, value, 1, &codec->copy_numbers) != napi_ok ||
        napi_create_string_utf8(env, append, NAPI_AUTO_LENGTH, &value) != napi_ok ||
        napi_run_script(env, value, &value) != napi_ok ||
        napi_create_reference(env, value, 1, &codec->append_numbers) != napi_ok)
        return false;
    if (napi_create_arraybuffer(env, NUMBERS_MAX * sizeof(double), &memory, &buffer) != napi_ok ||
        napi_create_typedarray(env, napi_float64_array, NUMBERS_MAX, buffer, 0, &value) != napi_ok)
        return false;
    codec->memory = memory;
    return napi_create_reference(env, value, 1, &codec->numbers) == napi_ok;
}

wire_node_codec *
wire_node_codec_new(napi_env env)
{
    wire_node_codec *codec = calloc(1, sizeof *codec);

    if (codec == NULL) {
        wire_throw(env, WIRE_NO_MEMORY, NULL);
        return NULL;
    }
    codec->env = env;
    if (hold(env, "Object", "prototype", &codec->object_prototype) &&
        hold(env, "Buffer", "prototype", &codec->buffer_prototype) &&
        hold(env, "Map", NULL, &codec->map_constructor) &&
        hold(env, "Set", NULL, &codec->set_constructor) &&
        hold(env, "Array", NULL, &codec->array_constructor) &&
        hold(env, "Array", "from", &codec->array_from) &&
        hold(env, "Object", "entries", &codec->object_entries) && make_numbers(env, codec))
        return codec;
    wire_node_fail(env);
    wire_node_codec_free(codec);
    return NULL;
}

void
wire_node_codec_free(wire_node_codec *codec)
{
    napi_ref references[] = {codec->object_prototype, codec->buffer_prototype,
                             codec->map_constructor,  codec->set_constructor,
                             codec->array_constructor, codec->array_from,
                             codec->object_entries,  codec->copy_numbers,
                             codec->append_numbers,  codec->numbers};

    for (size_t index = 0; index < sizeof references / sizeof *references; index++)
        if (references[index] != NULL)
            napi_delete_reference(codec->env, references[index]);
    free(codec);
}
