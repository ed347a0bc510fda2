/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "command/request.h"
#include "measure/interrupt.h"
#include "script/luacheck.h"
#include "text.h"

#include <stdio.h>

static void print_line(const char *text)
{
    text_print(stdout, text);
    putchar('\n');
}

/* One mistake as "file:line: field 'x': expected …, found …". */
static void print_mistake(const json_t *m)
{
    char text[1400];
    worker_mistake_text(m, text, sizeof text);
    print_line(text);
}

/* Mistakes that the suite's own functions make when asked about its cells, as one more entry. */
static void add_planning_mistake(const struct plan_request *request, const char *path, json_t *mistakes)
{
    struct fault fault = {0};
    json_t *cells = json_array();
    if (!plan_suite(request, path, cells, &fault))
        json_array_append_new(mistakes, json_pack("{s:s,s:i,s:s}", "file", path, "line", 1, "text", fault.text));
    const json_t *first = json_array_get(cells, 0);
    const char *broken = json_string_value(json_object_get(first, "broken"));
    if (broken)
        json_array_append_new(mistakes, json_pack("{s:s,s:i,s:s}", "file", path, "line", 1, "text", broken));
    json_decref(cells);
}

/* Globals that are not there, axes that do nothing, bodies that ignore n: what can be told of a suite that loads. */
static void add_habits(const struct worker_start *start, json_t *mistakes)
{
    struct fault fault = {0};
    struct worker *worker = worker_start(start, &fault);
    json_t *answer = worker ? worker_ask(worker, json_pack("{s:s,s:s}", "do", "habits", "path", start->suite), &fault) : NULL;
    json_array_extend(mistakes, json_object_get(answer, "mistakes"));
    json_decref(answer);
    worker_stop(worker);
}

static json_t *mistakes_of(const struct plan_request *request, const char *path)
{
    struct worker_start start = request->worker;
    struct fault fault = {0};
    start.suite = path;
    json_t *mistakes = worker_mistakes(&start, &fault);
    if (!mistakes)
        mistakes = json_pack("[{s:s,s:i,s:s}]", "file", path, "line", 1, "text", fault.text);
    if (json_array_size(mistakes) == 0) {
        add_planning_mistake(request, path, mistakes);
        add_habits(&start, mistakes);
    }
    luacheck_add(path, mistakes);
    return mistakes;
}

static size_t count_mistakes(const json_t *found)
{
    size_t n = 0, i;
    json_t *m;
    json_array_foreach(found, i, m)
        n += !json_is_true(json_object_get(m, "warning"));
    return n;
}

/* Warnings are printed and are no mistakes. */
static enum exit_code check_suites(const struct options *options, struct fault *fault)
{
    interrupt_install();
    struct plan_request request = request_of(options);
    if (options->operands.n == 0) {
        fault_set(fault, EXIT_CODE_USAGE, "check: expected a suite");
        return EXIT_CODE_USAGE;
    }
    json_t *paths = request_check(options, fault) ? plan_suites(&request, fault) : NULL, *all = json_array(), *path, *m;
    size_t i, k;
    if (!paths)
        return fault->code;
    json_array_foreach(paths, i, path) {
        json_t *mistakes = mistakes_of(&request, json_string_value(path));
        size_t warnings = json_array_size(mistakes) - count_mistakes(mistakes);
        if (count_mistakes(mistakes) == 0 && !options->json)
            printf("%s: no mistakes%s\n", json_string_value(path), warnings ? ", but:" : "");
        json_array_foreach(mistakes, k, m)
            if (!options->json)
                print_mistake(m);
        json_array_extend(all, mistakes);
        json_decref(mistakes);
    }
    if (options->json) {
        json_dumpf(all, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    bool clean = count_mistakes(all) == 0;
    json_decref(paths);
    json_decref(all);
    return clean ? EXIT_CODE_PASS : EXIT_CODE_USAGE;
}

enum exit_code command_check(const struct options *options, struct fault *fault)
{
    return request_with_project(options, check_suites, fault);
}
