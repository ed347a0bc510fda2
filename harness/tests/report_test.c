/* SPDX-License-Identifier: Apache-2.0 */
#include "made_run.h"
#include "sample_run.h"

#include "report/gnuplot.h"
#include "report/html.h"
#include "report/table.h"
#include "report/templates.h"
#include "report/view.h"
#include "report/sheet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[96] = "/tmp/report_test.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    const char *keep = getenv("TERNMARK_TEST_KEEP"); /* a folder to look at afterwards */
    if (keep)
        snprintf(folder, sizeof folder, "%s", keep);
    return keep || mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return getenv("TERNMARK_TEST_KEEP") ? 0 : system(command);
}

static char *read_all(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *in = fopen(path, "r");
    if (!in)
        return NULL;
    char *text = calloc(1, 4 << 20);
    if (fread(text, 1, (4 << 20) - 1, in) == 0)
        *text = 0;
    fclose(in);
    return text;
}

static void assert_file(const char *name, const char *part)
{
    char *text = read_all(name);
    if (!text)
        fail_msg("%s is missing", name);
    if (!strstr(text, part))
        fail_msg("%s has no '%s'", name, part);
    free(text);
}

static void writes_page_markdown_and_every_picture(void **state)
{
    (void)state;
    struct fault fault = {0};
    json_t *runs[] = {made_run(3, 20, "other-cpu-8c-32gib-99887766"), made_run(2, 21, "some-cpu-2c-8gib-0a1b2c3d"), made_run(4, 22, "some-cpu-2c-8gib-0a1b2c3d"), made_run(1, 23, "some-cpu-2c-8gib-0a1b2c3d")};
    struct sheet_row points[] = {{0, 400, 0, 0, 0.01}, {0.05, 400, 0.01, 0, 0.03}, {0.1, 400, 0.99, 0.97, 1}};
    const struct sheet curve = {.name = "operating curve", .rows = points, .n = 3};
    if (!report_write(&(struct picture_source){.runs = runs, .n_runs = 4, .main = runs[3], .sheets = &curve, .n_sheets = 1}, folder, &fault))
        fail_msg("%s", fault.text);
    assert_file("index.html", "bitlinear/bitlinear/backend=avx2/batch=8/shape=768x768");
    assert_file("index.html", "ternmark gate --base &#39;HEAD^&#39; --filter &#39;^bitlinear/bitlinear/backend=avx2/batch=8/shape=768x768$&#39;");
    assert_file("report.md", "| **regression** | `bitlinear/bitlinear/backend=avx2/batch=8/shape=768x768` | +");
    assert_file("page.js", "use strict");
    assert_file("data/roofline-01.tsv", "\t\"  890 Gop/s, 2 threads\"\n");
    assert_file("data/roofline-01.tsv", "\t\"  320 Gop/s, 1 thread\"\n");
    for (const struct picture *picture = pictures; picture->name; picture++) {
        char name[64];
        snprintf(name, sizeof name, "data/%s-01.tsv", picture->name);
        assert_file(name, "# ");
        if (!gnuplot_is_here())
            continue;
        snprintf(name, sizeof name, "%s-01.svg", picture->name);
        assert_file(name, "</svg>");
        snprintf(name, sizeof name, "%s-01-dark.svg", picture->name);
        assert_file(name, "</svg>");
        snprintf(name, sizeof name, "%s-01.png", picture->name);
        assert_file(name, "PNG");
    }
    char *log = read_all("data/gnuplot.log");
    if (log && strstr(log, "warning"))
        fail_msg("gnuplot warns: %s", log);
    free(log);
    for (size_t i = 0; i < 4; i++)
        json_decref(runs[i]);
}

static void every_picture_has_its_template(void **state)
{
    (void)state;
    static const char *const others[] = {"style.gp", "page.css", "page.js"};
    for (const struct picture *picture = pictures; picture->name; picture++) {
        char name[64];
        snprintf(name, sizeof name, "%s.gp", picture->name);
        assert_true(strlen(template_text(name)) > 100);
        assert_non_null(strstr(template_text(name), "DATA"));
    }
    for (size_t i = 0; i < 3; i++)
        assert_true(strlen(template_text(others[i])) > 100);
    assert_string_equal(template_text("none.gp"), "");
}

/* Nothing may come between us and the shell: templates don't run commands, and names never enter a script. */
static void templates_run_nothing(void **state)
{
    (void)state;
    static const char *const banned[] = {"system", "`", "| ", "load ", "eval", "shell", "popen", "\"<", "'<"};
    for (const struct template *row = templates; row->name; row++)
        for (size_t i = 0; strstr(row->name, ".gp") && i < sizeof banned / sizeof *banned; i++)
            for (const char *at = row->text; (at = strstr(at, banned[i])); at++) {
                const char *line = at;
                while (line > row->text && line[-1] != '\n')
                    line--;
                if (*line != '#' && strncmp(at, "| ", 2) != 0)
                    fail_msg("%s has '%s'", row->name, banned[i]);
                if (*line != '#' && strncmp(at, "| ", 2) == 0 && !(at > row->text && at[-1] == '|'))
                    fail_msg("%s has a pipe", row->name);
            }
}

static void a_run_without_anything_still_has_a_page(void **state)
{
    (void)state;
    struct fault fault = {0};
    json_t *run = sample_run();
    json_array_clear(json_object_get(run, "cells"));
    char where[128];
    snprintf(where, sizeof where, "%s/deep/er", folder);
    assert_true(report_write(&(struct picture_source){.runs = &run, .n_runs = 1, .main = run}, where, &fault));
    assert_file("deep/er/index.html", "There is nothing more to draw");
    json_decref(run);
}

static void unwritable_folders_are_said(void **state)
{
    (void)state;
    struct fault fault = {0};
    json_t *run = sample_run();
    assert_false(report_write(&(struct picture_source){.runs = &run, .n_runs = 1, .main = run}, "/dev/null/report", &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    json_decref(run);
}

static char *table_of(const json_t *run)
{
    char *text = NULL;
    size_t size;
    FILE *out = tmpfile();
    table_print(out, run);
    size = (size_t)ftell(out);
    rewind(out);
    text = calloc(1, size + 1);
    assert_int_equal(fread(text, 1, size, out), size);
    fclose(out);
    return text;
}

static void the_table_says_verdict_change_and_headline(void **state)
{
    (void)state;
    json_t *run = sample_run();
    char *text = table_of(run);
    assert_non_null(strstr(text, "x regression        +9.5 %  +8.0 % .. +11.0 %   time     paired   bitlinear/bitlinear/backend=avx2/batch=8\n"));
    assert_non_null(strstr(text, "this CPU has no AMX"));
    assert_non_null(strstr(text, "REGRESSION: 1 regression, 1 skipped\n"));
    assert_null(strchr(text, '\x1b'));
    free(text);
    json_decref(run);
}

static void the_table_of_a_run_says_speed_ups_and_what_was_observed(void **state)
{
    (void)state;
    json_t *run = sample_run(), *cell = json_array_get(json_object_get(run, "cells"), 0);
    json_object_del(run, "gate");
    json_object_set_new(cell, "verdicts", json_array());
    json_object_set_new(cell, "metrics", json_pack("{s:{s:f,s:s},s:{s:f,s:s,s:[f]},s:{s:f,s:s,s:[f]}}", "speedup", "value", 1.234, "unit", "x against by=int8",
                                                   "held_bytes", "value", 2097152.0, "unit", "bytes", "series", 1.0, "hit_share", "value", 0.5, "unit", "of all", "series", 1.0));
    char *text = table_of(run);
    assert_non_null(strstr(text, "  rate             speed-up       cell\n"));
    assert_non_null(strstr(text, "831.3 Gop/s      1.23 x by=int8 bitlinear/bitlinear/backend=avx2/batch=8\n                  held_bytes 2 MiB, hit_share 50%\n"));
    assert_non_null(strstr(text, "  skipped                                                                         bitlinear/bitlinear/backend=amx/batch=8\n"));
    free(text);
    json_decref(run);
}

static void headlines(void **state)
{
    (void)state;
    static const struct {
        int exit;
        const char *mode, *status, *expected;
        bool complete;
    } rows[] = {
        {0, "first run", "ok", "PASS (nothing compared): 2 measured; first run, nothing to compare with", true},
        {1, "paired", "failed", "REGRESSION INCOMPLETE: 2 failed", false},
        {3, "paired", "not selected", "CANNOT JUDGE PARTIAL: 2 not selected", true},
        {130, "paired", "unfit", "INTERRUPTED: 2 unfit", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *run = sample_run();
        char text[512];
        json_object_set_new(run, "exit", json_integer(rows[i].exit));
        json_object_set_new(run, "complete", json_boolean(rows[i].complete));
        json_object_set_new(json_object_get(run, "gate"), "mode", json_string(rows[i].mode));
        for (size_t c = 0; c < 2; c++) {
            json_t *cell = json_array_get(json_object_get(run, "cells"), c);
            json_object_set_new(cell, "status", json_string(rows[i].status));
            json_array_clear(json_object_get(cell, "verdicts"));
        }
        view_headline(run, text, sizeof text);
        assert_string_equal(text, rows[i].expected);
        char small[12];
        view_headline(run, small, sizeof small);
        assert_true(strlen(small) < sizeof small);
        json_decref(run);
    }
}

static void gnuplot_gets_no_shell_and_no_environment(void **state)
{
    (void)state;
    if (!gnuplot_is_here())
        skip();
    struct fault fault = {0};
    char path[160];
    snprintf(path, sizeof path, "%s/bad.gp", folder);
    FILE *out = fopen(path, "w");
    fputs("print GPVAL_VERSION\nthis is no gnuplot\n", out);
    fclose(out);
    assert_false(gnuplot_run(folder, "bad.gp", "bad.log", &fault));
    assert_non_null(strstr(fault.text, "ended with"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_page_markdown_and_every_picture), cmocka_unit_test(every_picture_has_its_template),
        cmocka_unit_test(templates_run_nothing),                  cmocka_unit_test(a_run_without_anything_still_has_a_page),
        cmocka_unit_test(unwritable_folders_are_said),            cmocka_unit_test(the_table_says_verdict_change_and_headline),
        cmocka_unit_test(the_table_of_a_run_says_speed_ups_and_what_was_observed),
        cmocka_unit_test(headlines),                              cmocka_unit_test(gnuplot_gets_no_shell_and_no_environment),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
