/* SPDX-License-Identifier: Apache-2.0 */
#include "command/resume.h"

#include "probe/host.h"
#include "store/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *list_json(const struct text_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->n; i++)
        json_array_append_new(array, json_string(list->items[i]));
    return array;
}

json_t *resume_arguments(const struct options *o)
{
    return json_pack("{s:o,s:s?,s:o,s:o,s:I,s:f,s:f,s:f,s:f,s:b,s:b}", "suites", list_json(&o->operands), "filter", o->filter, "set", list_json(&o->set),
                     "artifact", list_json(&o->artifact), "seed", (json_int_t)o->seed, "budget", o->budget, "cell_timeout", o->cell_timeout,
                     "memory_limit", o->memory_limit, "tolerance", o->tolerance, "count", o->count, "simulate", o->simulate);
}

static void take_list(struct text_list *list, const json_t *array)
{
    free(list->items);
    list->n = 0;
    list->items = calloc(json_array_size(array) + 1, sizeof *list->items);
    size_t i;
    json_t *item;
    if (list->items)
        json_array_foreach(array, i, item)
            if (json_is_string(item))
                list->items[list->n++] = json_string_value(item);
}

static void take_arguments(struct options *o, const json_t *a)
{
    take_list(&o->operands, json_object_get(a, "suites"));
    take_list(&o->set, json_object_get(a, "set"));
    take_list(&o->artifact, json_object_get(a, "artifact"));
    o->filter = json_string_value(json_object_get(a, "filter"));
    o->seed = json_integer_value(json_object_get(a, "seed"));
    o->budget = json_number_value(json_object_get(a, "budget"));
    o->cell_timeout = json_number_value(json_object_get(a, "cell_timeout"));
    o->memory_limit = json_number_value(json_object_get(a, "memory_limit"));
    o->tolerance = json_number_value(json_object_get(a, "tolerance"));
    o->count = json_is_true(json_object_get(a, "count"));
    o->simulate = json_is_true(json_object_get(a, "simulate"));
}

static void take_generations(struct resume *r, const json_t *lines)
{
    r->generations = json_object();
    for (size_t i = 1; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        const char *id = json_string_value(json_object_get(line, "cell"));
        json_t *generation = json_object_get(line, "generation");
        if (!id || !json_is_object(generation))
            continue;
        if (!json_object_get(r->generations, id))
            json_object_set_new(r->generations, id, json_array());
        json_array_append(json_object_get(r->generations, id), generation);
    }
}

static bool same_hardware(const json_t *top, struct fault *fault)
{
    json_t *here = host_hardware();
    const char *key = json_string_value(json_object_get(here, "key"));
    const char *was = json_string_value(json_object_get(json_object_get(top, "hardware"), "key"));
    bool same = was && strcmp(was, key) == 0;
    if (!same)
        fault_set(fault, EXIT_CODE_USAGE, "--resume: the run began on hardware %s, this is %s", was ? was : "unknown", key);
    json_decref(here);
    return same;
}

static void name_files(struct resume *r, const char *name)
{
    static const char end[] = ".journal";
    size_t n = strlen(name), m = strlen(end);
    r->out = strdup(name);
    if (n > m && strcmp(name + n - m, end) == 0)
        r->out[n - m] = 0;
    if (asprintf(&r->journal, "%s%s", r->out, end) < 0)
        abort();
}

bool resume_load(struct resume *r, struct options *o, struct fault *fault)
{
    name_files(r, o->resume);
    json_t *lines = journal_load(r->journal, fault);
    if (!lines)
        return false;
    r->top = json_incref(json_array_get(lines, 0));
    take_generations(r, lines);
    json_decref(lines);
    const char *text = json_string_value(json_object_get(json_object_get(r->top, "environment"), "arguments"));
    r->arguments = text ? json_loads(text, 0, NULL) : NULL;
    if (!json_is_object(r->arguments))
        return fault_set(fault, EXIT_CODE_INVALID, "%s: expected a run's journal, found no arguments in its first line", r->journal);
    take_arguments(o, r->arguments);
    return same_hardware(r->top, fault);
}

void resume_keep_planned(struct resume *r, const json_t *cells)
{
    json_t *kept = json_object(), *cell, *generation;
    size_t i, k;
    json_array_foreach(cells, i, cell) {
        const char *id = json_string_value(json_object_get(cell, "id"));
        json_t *list = json_array();
        json_array_foreach(json_object_get(r->generations, id), k, generation)
            if (json_equal(json_object_get(generation, "plan_hash"), json_object_get(cell, "workload_hash")))
                json_array_append(list, generation);
        json_object_set_new(kept, id, list);
    }
    json_decref(r->generations);
    r->generations = kept;
}

void resume_clear(struct resume *r)
{
    json_decref(r->top);
    json_decref(r->generations);
    json_decref(r->arguments);
    free(r->out);
    free(r->journal);
}
