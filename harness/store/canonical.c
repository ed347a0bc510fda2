/* SPDX-License-Identifier: Apache-2.0 */
#include "store/canonical.h"

#include "text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct printer {
    canonical_sink *sink;
    void *to;
    bool failed; /* out of memory: the text is not whole */
};

static void put(const struct printer *p, const char *text)
{
    p->sink(p->to, text, strlen(text));
}

/* "d.ddde±xx" of the fewest digits that read back as `value`. 17 always do. */
static void shortest_scientific(double value, char out[32])
{
    for (int digits = 0; digits < 17; digits++) {
        snprintf(out, 32, "%.*e", digits, value);
        if (strtod(out, NULL) == value)
            return;
    }
}

void canonical_real(double value, char buffer[CANONICAL_REAL])
{
    char scientific[32];
    shortest_scientific(value, scientific);
    char *at = scientific, *mark = strchr(scientific, 'e');
    int exponent = atoi(mark + 1);
    *mark = 0;
    const char *sign = *at == '-' ? "-" : "";
    at += *sign != 0;
    char digits[24];
    snprintf(digits, sizeof digits, "%c%s", at[0], at[1] ? at + 2 : "");
    int n = (int)strlen(digits);
    if (exponent < -4 || exponent >= 16)
        snprintf(buffer, CANONICAL_REAL, "%s%c%s%se%c%02d", sign, digits[0], n > 1 ? "." : "", digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
    else if (exponent < 0)
        snprintf(buffer, CANONICAL_REAL, "%s0.%.*s%s", sign, -exponent - 1, "0000", digits);
    else if (exponent + 1 >= n)
        snprintf(buffer, CANONICAL_REAL, "%s%s%.*s.0", sign, digits, exponent + 1 - n, "0000000000000000");
    else
        snprintf(buffer, CANONICAL_REAL, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
}

static void print_character(const struct printer *p, uint32_t c)
{
    static const char with_letter[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* character, its letter */
    char out[16];
    for (size_t i = 0; i + 1 < sizeof with_letter; i += 2)
        if (c == (uint32_t)with_letter[i]) {
            snprintf(out, sizeof out, "\\%c", with_letter[i + 1]);
            put(p, out);
            return;
        }
    if (c >= 0x10000)
        snprintf(out, sizeof out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
    else
        snprintf(out, sizeof out, c >= ' ' && c <= '~' ? "%c" : "\\u%04" PRIx32, c);
    put(p, out);
}

/* jansson holds valid UTF-8 only. */
static void print_text(const struct printer *p, const char *text)
{
    put(p, "\"");
    while (*text) {
        size_t plain = 0;
        while (text[plain] >= ' ' && text[plain] <= '~' && text[plain] != '"' && text[plain] != '\\')
            plain++;
        p->sink(p->to, text, plain);
        text += plain;
        uint32_t c;
        size_t length = *text ? text_decode(text, &c) : 0;
        if (length)
            print_character(p, c);
        text += length ? length : *text != 0;
    }
    put(p, "\"");
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **canonical_keys(const json_t *object, size_t *n)
{
    *n = json_object_size(object);
    const char **keys = *n ? calloc(*n, sizeof *keys) : NULL;
    if (!keys) {
        *n = 0;
        return NULL;
    }
    size_t i = 0;
    for (void *it = json_object_iter((json_t *)(uintptr_t)object); it; it = json_object_iter_next((json_t *)(uintptr_t)object, it))
        keys[i++] = json_object_iter_key(it);
    qsort(keys, *n, sizeof *keys, by_bytes);
    return keys;
}

static void print_value(struct printer *p, const json_t *value);

static void print_object(struct printer *p, const json_t *object)
{
    size_t n;
    const char **keys = canonical_keys(object, &n);
    p->failed |= !keys && json_object_size(object);
    put(p, "{");
    for (size_t i = 0; i < n; i++) {
        put(p, i ? "," : "");
        print_text(p, keys[i]);
        put(p, ":");
        print_value(p, json_object_get(object, keys[i]));
    }
    put(p, "}");
    free(keys);
}

static void print_array(struct printer *p, const json_t *array)
{
    put(p, "[");
    for (size_t i = 0; i < json_array_size(array); i++) {
        put(p, i ? "," : "");
        print_value(p, json_array_get(array, i));
    }
    put(p, "]");
}

static void print_value(struct printer *p, const json_t *value)
{
    char number[CANONICAL_REAL];
    switch (json_typeof(value)) {
    case JSON_OBJECT: print_object(p, value); return;
    case JSON_ARRAY: print_array(p, value); return;
    case JSON_STRING: print_text(p, json_string_value(value)); return;
    case JSON_INTEGER: snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value)); break;
    case JSON_REAL: canonical_real(json_real_value(value), number); break;
    case JSON_TRUE: put(p, "true"); return;
    case JSON_FALSE: put(p, "false"); return;
    case JSON_NULL: put(p, "null"); return;
    }
    put(p, number);
}

bool canonical_print(const json_t *value, canonical_sink *sink, void *to)
{
    struct printer printer = {sink, to, false};
    print_value(&printer, value);
    return !printer.failed;
}

void canonical_to_file(void *to, const char *text, size_t n)
{
    fwrite(text, 1, n, to);
}
