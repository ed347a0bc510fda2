/* SPDX-License-Identifier: Apache-2.0 */
#include "store/runfile.h"

#include "hash.h"
#include "store/canonical.h"
#include "store/durable.h"
#include "store/runfile_shape.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE_MIB = 512 };

/* jansson's own sentence quotes the file, which may be a secret that a link led to. */
static const char *what_failed(enum json_error_code code)
{
    static const struct {
        enum json_error_code code;
        const char *text;
    } rows[] = {
        {json_error_premature_end_of_input, "the text ends too early"},  {json_error_end_of_input_expected, "text after the value"},
        {json_error_invalid_utf8, "not valid UTF-8"},                    {json_error_null_character, "NUL in a string"},
        {json_error_null_byte_in_key, "NUL in a key"},                   {json_error_duplicate_key, "a key stands twice in one object"},
        {json_error_numeric_overflow, "a number out of range"},          {json_error_stack_overflow, "nested too deep"},
        {json_error_out_of_memory, "out of memory"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code)
            return rows[i].text;
    return "not JSON";
}

json_t *runfile_read_json(const char *text, size_t n, const char *name, struct fault *fault)
{
    json_error_t error;
    char shown[256];
    json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value)
        fault_set(fault, EXIT_CODE_INVALID, "%s: line %d, column %d: %s", text_escape(name, shown, sizeof shown), error.line, error.column, what_failed(json_error_code(&error)));
    return value;
}

/* The bytes of a regular file, NUL-ended; free() them. */
static char *read_file(const char *path, size_t *n, struct fault *fault)
{
    char shown[256], *text = NULL;
    struct stat info;
    text_escape(path, shown, sizeof shown);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &info) != 0) {
        fault_set(fault, EXIT_CODE_USAGE, "%s: %s", shown, strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        fault_set(fault, EXIT_CODE_INVALID, "%s: not a regular file", shown);
    } else if (info.st_size > MAX_FILE_MIB * 1024L * 1024L) {
        fault_set(fault, EXIT_CODE_INVALID, "%s: larger than %d MiB", shown, MAX_FILE_MIB);
    } else if (!(text = malloc((size_t)info.st_size + 1))) {
        fault_set(fault, EXIT_CODE_USAGE, "%s: out of memory", shown);
    } else {
        ssize_t got = 0;
        for (*n = 0; *n < (size_t)info.st_size && ((got = read(fd, text + *n, (size_t)info.st_size - *n)) > 0 || errno == EINTR); )
            *n += got > 0 ? (size_t)got : 0;
        text[*n] = 0;
        if (got < 0) {
            fault_set(fault, EXIT_CODE_USAGE, "%s: %s", shown, strerror(errno));
            free(text);
            text = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    return text;
}

static void add_to_hash(void *to, const char *text, size_t n)
{
    hash_add(to, text, n);
}

bool runfile_checksum(const json_t *run, char text[72])
{
    json_t *bare = json_copy((json_t *)(uintptr_t)run); /* shallow: the key goes, the values are shared */
    if (!bare)
        return false;
    json_object_del(bare, "checksum");
    struct hash hash;
    hash_init(&hash);
    bool ok = canonical_print(bare, add_to_hash, &hash);
    memcpy(text, "sha256:", 7);
    hash_end(&hash, text + 7);
    json_decref(bare);
    return ok;
}

/* Version and kind come first: they decide which rules hold. */
static bool check_rules(const json_t *run, const char *name, struct fault *fault)
{
    struct shape_walk walk = {.file = name, .fault = fault};
    const json_t *schema = json_object_get(run, "schema"), *kind = json_object_get(run, "kind");
    if (!json_is_object(run))
        return shape_fault(&walk, NULL, "expected an object");
    if (!json_is_integer(schema))
        return shape_fault(&walk, "schema", schema ? "expected an integer" : "missing");
    if (json_integer_value(schema) != RUNFILE_SCHEMA)
        return shape_fault(&walk, "schema", "expected version %d, found %" JSON_INTEGER_FORMAT, RUNFILE_SCHEMA, json_integer_value(schema));
    walk.kind = runfile_kind(json_string_value(kind));
    if (!walk.kind)
        return shape_fault(&walk, "kind", kind ? "expected run, gate or baseline" : "missing");
    return shape_check(run, &runfile_top, &walk);
}

static bool check_checksum(const json_t *run, const char *name, struct fault *fault)
{
    char expected[72];
    struct shape_walk walk = {.file = name, .fault = fault};
    if (!runfile_checksum(run, expected))
        return fault_set(fault, EXIT_CODE_USAGE, "%s: out of memory", name);
    if (strcmp(expected, json_string_value(json_object_get(run, "checksum"))) != 0)
        return shape_fault(&walk, "checksum", "does not fit the content; the file was changed by hand or damaged");
    return true;
}

json_t *runfile_parse(const char *text, size_t n, const char *name, struct fault *fault)
{
    json_t *run = runfile_read_json(text, n, name, fault);
    if (run && check_rules(run, name, fault) && check_checksum(run, name, fault))
        return run;
    json_decref(run);
    return NULL;
}

json_t *runfile_load(const char *path, struct fault *fault)
{
    size_t n;
    char *text = read_file(path, &n, fault);
    json_t *run = text ? runfile_parse(text, n, path, fault) : NULL;
    free(text);
    return run;
}

/* The canonical text with a line for each key of the top and for each cell, so that git shows what changed. */
static bool print_lines(FILE *out, const json_t *run)
{
    size_t n;
    const char **keys = canonical_keys(run, &n);
    bool ok = keys != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *value = json_object_get(run, keys[i]);
        bool is_cells = strcmp(keys[i], "cells") == 0;
        fprintf(out, "%s\"%s\":%s", i ? ",\n" : "{", keys[i], is_cells ? "[" : "");
        for (size_t c = 0; ok && is_cells && c < json_array_size(value); c++) {
            fputs(c ? ",\n" : "\n", out);
            ok = canonical_print(json_array_get(value, c), canonical_to_file, out);
        }
        if (is_cells)
            fputs("]", out);
        else
            ok = ok && canonical_print(value, canonical_to_file, out);
    }
    fputs("}\n", out);
    free(keys);
    return ok;
}

bool runfile_save(const char *path, json_t *run, struct fault *fault)
{
    char checksum[72];
    struct durable file;
    if (!runfile_checksum(run, checksum) || json_object_set_new(run, "checksum", json_string(checksum)) != 0)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: out of memory", path);
    struct fault broken = {0};
    if (!check_rules(run, path, &broken))
        return fault_set(fault, EXIT_CODE_USAGE, "not saved, what would be written breaks a rule: %s", broken.text);
    if (!durable_open(&file, path, fault))
        return false;
    if (print_lines(file.stream, run))
        return durable_close(&file, fault);
    durable_abandon(&file);
    return fault_set(fault, EXIT_CODE_USAGE, "%s: out of memory", path);
}
