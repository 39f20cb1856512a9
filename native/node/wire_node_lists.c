/* The elements of lists, both ways; runs of numbers through the codec's Float64Array. */

#include "wire_node_internal.h"

#define SAFE_INTEGER_MAX INT64_C(9007199254740991)

/* Close the scope and open another, every so many elements. */
static int
renew_scope(napi_env env, napi_handle_scope *scope, uint32_t index)
{
    if (index % HANDLES_A_SCOPE != HANDLES_A_SCOPE - 1)
        return 0;
    if (*scope != NULL)
        napi_close_handle_scope(env, *scope);
    *scope = NULL;
    TRY(env, napi_open_handle_scope(env, scope));
    return 0;
}

/* ------------------------------------------------------------------------------------ Writing */

/* Copy numbers from `start` on into the codec's memory; `*copied` says how many there were. */
static int
copy_numbers(wire_node_encoder *to, napi_value array, uint32_t start, uint32_t count, uint32_t *copied)
{
    const wire_node_codec *codec = to->codec;
    napi_value arguments[4] = {array, wire_node_get(codec, codec->numbers)};
    napi_value result;

    TRY(to->env, napi_create_uint32(to->env, start, &arguments[2]));
    TRY(to->env, napi_create_uint32(to->env, count, &arguments[3]));
    TRY(to->env, napi_call_function(to->env, array, wire_node_get(codec, codec->copy_numbers), 4,
                                    arguments, &result));
    TRY(to->env, napi_get_value_uint32(to->env, result, copied));
    return 0;
}

/* Write the numbers that a list starts with; `*written` says how many. */
static int
encode_numbers(wire_node_encoder *to, napi_value array, uint32_t count, uint32_t *written)
{
    for (*written = 0; *written < count;) {
        uint32_t wanted = count - *written < NUMBERS_MAX ? count - *written : NUMBERS_MAX;
        uint32_t copied;
        napi_handle_scope scope;
        TRY(to->env, napi_open_handle_scope(to->env, &scope));
        int result = copy_numbers(to, array, *written, wanted, &copied);
        napi_close_handle_scope(to->env, scope);
        if (result < 0)
            return -1;
        for (uint32_t index = 0; index < copied; index++)
            wire_node_write_number(to->writer, to->codec->memory[index]);
        *written += copied;
        if (copied < wanted)
            return 0;
    }
    return 0;
}

int
wire_node_encode_elements(wire_node_encoder *to, napi_value array, uint32_t count)
{
    napi_handle_scope scope = NULL;
    uint32_t start = 0;
    int result = count >= NUMBERS_MIN ? encode_numbers(to, array, count, &start) : 0;

    for (uint32_t index = start; index < count && result == 0; index++) {
        napi_value item;
        result = renew_scope(to->env, &scope, index);
        if (result == 0 && UNLIKELY(napi_get_element(to->env, array, index, &item) != napi_ok))
            result = wire_node_fail(to->env);
        if (result == 0)
            result = wire_node_encode(to, item);
        if (wire_node_failed(to))
            result = -1;
    }
    if (scope != NULL)
        napi_close_handle_scope(to->env, scope);
    return result;
}

/* ------------------------------------------------------------------------------------ Reading */

/* Return whether a token is a number in JavaScript, and which. */
static bool
number_of(const wire_token *token, double *number)
{
    if (token->kind == WIRE_FLOAT)
        *number = token->number;
    else if (token->kind == WIRE_INT && token->integer >= -SAFE_INTEGER_MAX &&
             token->integer <= SAFE_INTEGER_MAX)
        *number = (double)token->integer;
    else
        return false;
    return true;
}

static int
append_numbers(const wire_node_decoder *from, napi_value array, uint32_t start, uint32_t count)
{
    const wire_node_codec *codec = from->codec;
    napi_value arguments[4] = {array, NULL, wire_node_get(codec, codec->numbers)};
    napi_handle_scope scope;
    napi_value result;

    TRY(from->env, napi_open_handle_scope(from->env, &scope));
    TRY(from->env, napi_create_uint32(from->env, start, &arguments[1]));
    TRY(from->env, napi_create_uint32(from->env, count, &arguments[3]));
    TRY(from->env, napi_call_function(from->env, array, wire_node_get(codec, codec->append_numbers),
                                      4, arguments, &result));
    TRY(from->env, napi_close_handle_scope(from->env, scope));
    return 0;
}

/* Read the numbers that a list starts with; `*read` says how many. The first other token is left. */
static int
decode_numbers(const wire_node_decoder *from, wire_reader *reader, napi_value array, uint32_t count,
               uint32_t *read)
{
    uint32_t held = 0;
    bool more = true;

    for (*read = 0; more && *read + held < count;) {
        wire_reader before = *reader;
        wire_token token;
        if (wire_read(reader, &token) != WIRE_OK) {
            wire_node_throw(from->env, reader->status);
            return -1;
        }
        more = number_of(&token, &from->codec->memory[held]);
        if (more)
            held++;
        else
            *reader = before;
        if (held == NUMBERS_MAX) {
            if (append_numbers(from, array, *read, held) < 0)
                return -1;
            *read += held;
            held = 0;
        }
    }
    if (held > 0 && append_numbers(from, array, *read, held) < 0)
        return -1;
    *read += held;
    return 0;
}

int
wire_node_decode_elements(const wire_node_decoder *from, wire_reader *reader, napi_value array,
                          uint32_t count)
{
    napi_handle_scope scope = NULL;
    uint32_t start = 0;
    int result = count >= NUMBERS_MIN ? decode_numbers(from, reader, array, count, &start) : 0;

    for (uint32_t index = start; index < count && result == 0; index++) {
        result = renew_scope(from->env, &scope, index);
        napi_value item = result == 0 ? wire_node_decode(from, reader) : NULL;
        if (UNLIKELY(item == NULL))
            result = -1;
        else if (UNLIKELY(napi_set_element(from->env, array, index, item) != napi_ok))
            result = wire_node_fail(from->env);
    }
    if (scope != NULL)
        napi_close_handle_scope(from->env, scope);
    return result;
}
