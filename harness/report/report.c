/* SPDX-License-Identifier: Apache-2.0
 *
 * report_write: a folder with the page, the Markdown, the pictures and what they were drawn from.
 */
#include "report/html.h"

#include "report/markdown.h"
#include "report/templates.h"
#include "store/durable.h"
#include "store/runfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Makes `dir` and what is above it. */
static bool make_folder(const char *dir, struct fault *fault)
{
    char *path = strdup(dir);
    bool ok = path && *path;
    for (char *at = path; ok && at; ) {
        at = strchr(at + 1, '/');
        if (at)
            *at = 0;
        ok = mkdir(path, 0777) == 0 || errno == EEXIST;
        if (at)
            *at = '/';
    }
    if (!ok)
        fault_set(fault, EXIT_CODE_USAGE, "%s: cannot make the folder: %s", dir, strerror(errno));
    free(path);
    return ok;
}

static char *path_in(const char *dir, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static bool write_page(const struct picture_source *source, const char *dir, const struct picture_drawn *drawn, size_t n, const char *why, struct fault *fault)
{
    char *path = path_in(dir, "index.html");
    struct durable file;
    bool ok = path && durable_open(&file, path, fault);
    if (ok) {
        html_page(file.stream, source, dir, drawn, n, why);
        ok = durable_close(&file, fault);
    }
    free(path);
    return ok;
}

static bool write_markdown(const json_t *run, const char *dir, struct fault *fault)
{
    char *path = path_in(dir, "report.md");
    struct durable file;
    bool ok = path && durable_open(&file, path, fault);
    if (ok) {
        markdown_print(file.stream, run, MARKDOWN_LIMIT);
        ok = durable_close(&file, fault);
    }
    free(path);
    return ok;
}

/* The result files themselves; the first is the one that the page shows. */
static bool write_results(const struct picture_source *source, const char *dir, struct fault *fault)
{
    bool ok = true;
    for (size_t i = 0; ok && i < source->n_runs; i++) {
        char *path = NULL;
        size_t number = i + 1 == source->n_runs ? 1 : i + 2;
        ok = asprintf(&path, "%s/data/run-%02zu.json", dir, number) >= 0 && runfile_save(path, source->runs[i], fault);
        free(path);
    }
    return ok;
}

static bool write_script(const char *dir, struct fault *fault)
{
    const char *text = template_text("page.js");
    char *path = path_in(dir, "page.js");
    bool ok = path && durable_write(path, text, strlen(text), fault);
    free(path);
    return ok;
}

bool report_write(const struct picture_source *source, const char *dir, struct fault *fault)
{
    struct picture_drawn *drawn = NULL;
    size_t n_drawn = 0;
    char why[512] = "";
    bool ok = make_folder(dir, fault) && picture_draw_all(source, dir, &drawn, &n_drawn, why, fault) && write_results(source, dir, fault) &&
              write_markdown(source->main, dir, fault) && write_script(dir, fault) && write_page(source, dir, drawn, n_drawn, why, fault);
    free(drawn);
    return ok;
}
