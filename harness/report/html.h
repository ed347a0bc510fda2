/* SPDX-License-Identifier: Apache-2.0
 *
 * The report: one page that works offline and without its script, the same table as Markdown, pictures, their data, and the results themselves.
 */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

#include "fault.h"
#include "report/picture.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Writes into `dir` (made if need be): index.html, report.md, page.js, pictures, data/. `main` of the source is the run judged
 * and shown first; the others serve the pictures over time and across machines. Runs were loaded by runfile_load, n >= 1.
 * Without gnuplot the report has no pictures and says so. EXIT_CODE_USAGE where something can't be written.
 */
bool report_write(const struct picture_source *source, const char *dir, struct fault *fault);

/* The page alone, to `out`; `why` says why pictures are missing ("" when none is). For report_write and tests. */
void html_page(FILE *out, const struct picture_source *source, const char *dir, const struct picture_drawn *drawn, size_t n_drawn, const char *why);

#endif
