/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "command/request.h"
#include "measure/interrupt.h"
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

static json_t *mistakes_of(const struct plan_request *request, const char *path)
{
    struct worker_start start = request->worker;
    struct fault fault = {0};
    start.suite = path;
    json_t *mistakes = worker_mistakes(&start, &fault);
    if (!mistakes)
        mistakes = json_pack("[{s:s,s:i,s:s}]", "file", path, "line", 1, "text", fault.text);
    if (json_array_size(mistakes) == 0)
        add_planning_mistake(request, path, mistakes);
    return mistakes;
}

enum exit_code command_check(const struct options *options, struct fault *fault)
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
        if (json_array_size(mistakes) == 0 && !options->json)
            printf("%s: no mistakes\n", json_string_value(path));
        json_array_extend(all, mistakes);
        json_decref(mistakes);
    }
    if (options->json) {
        json_dumpf(all, stdout, JSON_INDENT(1));
        putchar('\n');
    } else
        json_array_foreach(all, k, m)
            print_mistake(m);
    bool clean = json_array_size(all) == 0;
    json_decref(paths);
    json_decref(all);
    return clean ? EXIT_CODE_PASS : EXIT_CODE_USAGE;
}
