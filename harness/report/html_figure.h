/* SPDX-License-Identifier: Apache-2.0
 *
 * The pictures of the page, each with how to read it, its data as a table, and links to the files.
 */
#ifndef REPORT_HTML_FIGURE_H
#define REPORT_HTML_FIGURE_H

#include "report/picture.h"

/* One picture, with its data as a table. */
void html_figure(FILE *out, const char *dir, const struct picture_drawn *drawn);

/* Prints the section; `dir` is where the data files are read from. */
void html_figures(FILE *out, const char *dir, const struct picture_drawn *drawn, size_t n, const char *why);

#endif
