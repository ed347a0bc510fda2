/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include "plan/cells.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DESCRIBE_AT_ONCE = 512 };

/* ---- which files */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static int is_suite_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && ends_with(entry->d_name, ".lua");
}

static bool add_folder(json_t *paths, const char *folder, struct fault *fault)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_suite_file, alphasort);
    if (n < 0)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        json_array_append_new(paths, json_sprintf("%s%s%s", folder, ends_with(folder, "/") ? "" : "/", entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
    return true;
}

static bool add_path(json_t *paths, const char *path, struct fault *fault)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return add_folder(paths, path, fault);
    json_array_append_new(paths, json_string(path));
    return true;
}

/* The suite's name: its file's, without folder and .lua. */
static char *suite_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = strdup(slash ? slash + 1 : path);
    if (name && ends_with(name, ".lua"))
        name[strlen(name) - 4] = 0;
    return name;
}

/* A suite's name begins its cells' ids and names its baseline's file. */
static bool is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    return n > 0 && n <= 100 && !name[n] && name[0] != '.';
}

static bool names_differ(const json_t *paths, struct fault *fault)
{
    json_t *seen = json_object(), *path;
    size_t i;
    bool ok = true;
    json_array_foreach(paths, i, path) {
        char *name = suite_name(json_string_value(path));
        if (!is_name(name))
            ok = fault_set(fault, EXIT_CODE_USAGE, "%s: expected a file name of letters, digits, '_', '-' and '.', found '%s'",
                           json_string_value(path), name);
        const char *other = json_string_value(json_object_get(seen, name));
        if (other)
            ok = fault_set(fault, EXIT_CODE_USAGE, "two suites have the name '%s': %s and %s", name, other, json_string_value(path));
        json_object_set(seen, name, path);
        free(name);
    }
    json_decref(seen);
    return ok;
}

json_t *plan_suites(const struct plan_request *request, struct fault *fault)
{
    json_t *paths = json_array();
    bool ok = true;
    for (size_t i = 0; ok && i < request->n_suites; i++)
        ok = add_path(paths, request->suites[i], fault);
    if (request->n_suites == 0)
        ok = add_path(paths, "suites", fault);
    if (ok && names_differ(paths, fault))
        return paths;
    json_decref(paths);
    return NULL;
}

/* ---- what is in them */

static json_t *or_null(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return value ? json_incref(value) : json_null();
}

/* A suite that is being asked. */
struct source {
    struct worker *worker;
    const char *suite, *path;
    bool why;
};

/* One cell: a bench's fields, its params, and what the suite said of it. */
static json_t *new_cell(const struct source *source, const json_t *bench, json_t *params, const json_t *said)
{
    const char *name = json_string_value(json_object_get(bench, "name"));
    char *id = cells_id(source->suite, name, params);
    json_t *cell = json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:O,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:n}", "id", id, "suite", source->suite, "bench", name, "file", source->path,
                             "kind", or_null(bench, "kind"), "about", or_null(bench, "about"), "params", params, "tags", or_null(said, "tags"),
                             "tolerance", or_null(said, "tolerance"), "compare", or_null(bench, "compare"), "target", or_null(bench, "target"),
                             "metrics", or_null(bench, "metrics"), "artifacts", or_null(bench, "artifacts"), "skip", or_null(said, "skip"), "workload_hash", or_null(said, "workload_hash"), "selected", 1, "broken");
    free(id);
    if (source->why)
        json_object_set_new(cell, "why", or_null(said, "why"));
    return cell;
}

/* Asks the suite about cells [begin, end) of the product and adds them. */
static bool add_described(const struct source *source, const json_t *bench, const json_t *product, size_t begin, json_t *cells, struct fault *fault)
{
    json_t *part = json_array();
    size_t end = json_array_size(product) < begin + DESCRIBE_AT_ONCE ? json_array_size(product) : begin + DESCRIBE_AT_ONCE;
    for (size_t i = begin; i < end; i++)
        json_array_append(part, json_array_get(product, i));
    json_t *said = worker_describe(source->worker, json_string_value(json_object_get(bench, "name")), part, source->why, fault);
    bool ok = json_array_size(said) == end - begin;
    for (size_t i = begin; ok && i < end; i++)
        json_array_append_new(cells, new_cell(source, bench, json_array_get(product, i), json_array_get(said, i - begin)));
    if (!ok && !fault->text[0])
        fault_set(fault, EXIT_CODE_FAILED, "%s: the suite's worker gave no answer for its cells", source->path);
    json_decref(part);
    json_decref(said);
    return ok;
}

static bool add_bench(const struct source *source, const json_t *bench, json_t *cells, struct fault *fault)
{
    json_t *product = cells_product(json_object_get(bench, "axes"), fault);
    bool ok = product != NULL;
    for (size_t begin = 0; ok && begin < json_array_size(product); begin += DESCRIBE_AT_ONCE)
        ok = add_described(source, bench, product, begin, cells, fault);
    json_decref(product);
    return ok;
}

static bool add_benches(const struct source *source, json_t *cells, struct fault *fault)
{
    json_t *benches = worker_benches(source->worker, fault), *bench;
    bool ok = benches != NULL;
    size_t i;
    json_array_foreach(benches, i, bench)
        ok = ok && add_bench(source, bench, cells, fault);
    json_decref(benches);
    return ok;
}

static void add_broken(const char *suite, const char *path, const char *why, json_t *cells)
{
    json_t *params = json_object();
    char *id = cells_id(suite, suite, params);
    json_array_append_new(cells, json_pack("{s:s,s:s,s:s,s:s,s:s,s:n,s:o,s:[],s:n,s:n,s:n,s:[],s:n,s:n,s:b,s:o}", "id", id, "suite", suite, "bench",
                                           suite, "file", path, "kind", "lua", "about", "params", params, "tags", "tolerance", "compare", "target",
                                           "artifacts", "skip", "workload_hash", "selected", 1, "broken", json_sprintf("while it was loaded: %s", why)));
    free(id);
}

bool plan_suite(const struct plan_request *request, const char *path, json_t *cells, struct fault *fault)
{
    struct worker_start start = request->worker;
    char *name = suite_name(path);
    start.suite = path;
    size_t before = json_array_size(cells);
    struct worker *worker = worker_start(&start, fault);
    bool ok = worker && add_benches(&(struct source){worker, name, path, request->why}, cells, fault);
    worker_stop(worker);
    if (!ok && fault->code == EXIT_CODE_FAILED) {
        while (json_array_size(cells) > before)
            json_array_remove(cells, before);
        add_broken(name, path, fault->text, cells);
        *fault = (struct fault){0};
        ok = true;
    } else if (!ok && !strstr(fault->text, path)) {
        char text[sizeof fault->text];
        memcpy(text, fault->text, sizeof text);
        fault_set(fault, fault->code, "%s: %s", path, text);
    }
    free(name);
    return ok;
}

/* Two values may print alike ("1" and 1): such ids would name two cells. */
static bool ids_differ(const json_t *cells, struct fault *fault)
{
    json_t *seen = json_object(), *cell;
    size_t i;
    bool ok = true;
    json_array_foreach(cells, i, cell) {
        const char *id = json_string_value(json_object_get(cell, "id"));
        if (json_object_get(seen, id))
            ok = fault_set(fault, EXIT_CODE_USAGE, "%s: two cells have the id %s", json_string_value(json_object_get(cell, "file")), id);
        json_object_set_new(seen, id, json_true());
    }
    json_decref(seen);
    return ok;
}

json_t *plan_collect(const struct plan_request *request, struct fault *fault)
{
    json_t *paths = plan_suites(request, fault), *cells = json_array(), *path;
    bool ok = paths != NULL;
    size_t i;
    json_array_foreach(paths, i, path)
        ok = ok && plan_suite(request, json_string_value(path), cells, fault);
    json_decref(paths);
    if (ok && ids_differ(cells, fault) && (json_array_size(cells) == 0 || select_cells(cells, &request->select, fault)))
        return cells;
    json_decref(cells);
    return NULL;
}
