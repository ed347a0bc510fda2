/* SPDX-License-Identifier: Apache-2.0
 *
 * ternmark report RUN.json…: the page, Markdown and pictures of stored results, and any other format asked for.
 */
#include "cli.h"
#include "contest/rejudge.h"
#include "report/formats.h"
#include "report/html.h"
#include "report/table.h"
#include "store/runfile.h"

#include <stdio.h>
#include <stdlib.h>

static const char usual_folder[] = "reports/out";

static json_t **load_all(const struct options *options, struct fault *fault)
{
    size_t n = options->operands.n;
    json_t **runs = calloc(n, sizeof *runs);
    for (size_t i = 0; runs && i < n; i++) {
        runs[i] = runfile_load(options->operands.items[i], fault);
        if (!runs[i]) {
            while (i--)
                json_decref(runs[i]);
            free(runs);
            return NULL;
        }
    }
    return runs;
}

static bool write_page(json_t *const *runs, size_t n, const char *folder, struct fault *fault)
{
    if (!report_write(runs, n, folder, fault))
        return false;
    table_print(stdout, runs[n - 1]);
    printf("report: %s/index.html\n", folder);
    return true;
}

enum exit_code command_report(const struct options *options, struct fault *fault)
{
    if (options->operands.n == 0) {
        fault_set(fault, EXIT_CODE_USAGE, "report: expected result files, found none");
        return fault->code;
    }
    json_t **runs = load_all(options, fault);
    if (!runs)
        return fault->code;
    const char *folder = options->out ? options->out : usual_folder;
    json_t *last = runs[options->operands.n - 1];
    const struct judge_rule rule = {options->strict, options->two_sided, false};
    bool ok = !options->rejudge || rejudge_run(last, options->tolerance, &rule, fault);
    enum exit_code code = ok && options->rejudge ? (enum exit_code)json_integer_value(json_object_get(last, "exit")) : EXIT_CODE_PASS;
    for (size_t i = 0; ok && i < options->format.n; i++)
        ok = formats_write(last, options->format.items[i], fault);
    if (ok && (options->given_out || options->format.n == 0)) /* formats alone need no page */
        ok = write_page(runs, options->operands.n, folder, fault);
    for (size_t i = 0; i < options->operands.n; i++)
        json_decref(runs[i]);
    free(runs);
    return ok ? code : fault->code;
}
