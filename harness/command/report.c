/* SPDX-License-Identifier: Apache-2.0
 *
 * ternmark report RUN.json… [POWER.csv…]: the page, Markdown and pictures of stored results, and any other format asked for.
 */
#include "cli.h"
#include "contest/rejudge.h"
#include "report/formats.h"
#include "report/html.h"
#include "report/sheet.h"
#include "report/table.h"
#include "store/runfile.h"

#include <stdio.h>
#include <stdlib.h>

static const char usual_folder[] = "reports/out";

/* What the operands name: results, the last of which is shown first, and operating curves. */
struct inputs {
    json_t **runs;
    struct sheet *sheets;
    size_t n_runs, n_sheets;
};

static void clear(struct inputs *inputs)
{
    while (inputs->n_runs)
        json_decref(inputs->runs[--inputs->n_runs]);
    while (inputs->n_sheets)
        sheet_clear(&inputs->sheets[--inputs->n_sheets]);
    free(inputs->runs);
    free(inputs->sheets);
}

static bool load_one(struct inputs *inputs, const char *path, struct fault *fault)
{
    if (sheet_is_named(path)) {
        bool ok = sheet_load(path, &inputs->sheets[inputs->n_sheets], fault);
        inputs->n_sheets += ok;
        return ok;
    }
    json_t *run = runfile_load(path, fault);
    if (run)
        inputs->runs[inputs->n_runs++] = run;
    return run != NULL;
}

static bool load_all(const struct options *options, struct inputs *inputs, struct fault *fault)
{
    size_t n = options->operands.n;
    inputs->runs = calloc(n + 1, sizeof *inputs->runs);
    inputs->sheets = calloc(n + 1, sizeof *inputs->sheets);
    bool ok = inputs->runs && inputs->sheets;
    for (size_t i = 0; ok && i < n; i++)
        ok = load_one(inputs, options->operands.items[i], fault);
    return ok && (inputs->n_runs > 0 || fault_set(fault, EXIT_CODE_USAGE, "report: expected result files, found none"));
}

static bool write_page(const struct inputs *inputs, const char *folder, struct fault *fault)
{
    const json_t *last = inputs->runs[inputs->n_runs - 1];
    const struct picture_source source = {inputs->runs, inputs->n_runs, last, inputs->sheets, inputs->n_sheets};
    if (!report_write(&source, folder, fault))
        return false;
    table_print(stdout, last);
    printf("report: %s/index.html\n", folder);
    return true;
}

/* The exit code of a judgement that was asked for, else pass. */
static enum exit_code write_all(const struct options *options, const struct inputs *inputs, struct fault *fault)
{
    json_t *last = inputs->runs[inputs->n_runs - 1];
    const struct judge_rule rule = {options->strict, options->two_sided, false};
    if (options->baselines && !options->rejudge)
        return fault_set(fault, EXIT_CODE_USAGE, "--baselines: expected --rejudge beside it"), fault->code;
    bool ok = !options->rejudge || rejudge_run(last, options->tolerance, options->baselines, &rule, fault);
    enum exit_code code = ok && options->rejudge ? (enum exit_code)json_integer_value(json_object_get(last, "exit")) : EXIT_CODE_PASS;
    for (size_t i = 0; ok && i < options->format.n; i++)
        ok = formats_write(last, options->format.items[i], fault);
    if (ok && (options->given_out || options->format.n == 0)) /* formats alone need no page */
        ok = write_page(inputs, options->out ? options->out : usual_folder, fault);
    return ok ? code : fault->code;
}

enum exit_code command_report(const struct options *options, struct fault *fault)
{
    struct inputs inputs = {0};
    enum exit_code code = load_all(options, &inputs, fault) ? write_all(options, &inputs, fault) : fault->code;
    clear(&inputs);
    return code;
}
