/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of reports/ that travel inside the program: gnuplot templates, the page's style and script. Made by the Makefile.
 */
#ifndef REPORT_TEMPLATES_H
#define REPORT_TEMPLATES_H

struct template {
    const char *name; /* file name in reports/ */
    const char *text;
};

/* Ended by a null name. */
extern const struct template templates[];

/* The text of the file; every name asked for exists (a test goes through them all). */
const char *template_text(const char *name);

#endif
