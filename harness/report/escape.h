/* SPDX-License-Identifier: Apache-2.0
 *
 * Names on their way into each kind of output. A name is any bytes; each function here makes them harmless for one language,
 * prints them and nothing else. Bytes that are not UTF-8 and characters that hide or reorder text come out as text.h shows them,
 * except in escape_csv and escape_label, which keep every character that is valid. (The terminal's own is text_print.)
 */
#ifndef REPORT_ESCAPE_H
#define REPORT_ESCAPE_H

#include <stddef.h>
#include <stdio.h>

/* HTML and XML, text and quoted attributes: & < > " ' as entities. */
void escape_markup(FILE *out, const char *text);

/* Markdown (GitHub's), inline, as a code span: backticks, pipes and line ends replaced, at most 120 characters, so no link and no @ inside works. */
void escape_markdown(FILE *out, const char *text);

/* Markdown outside code: a sentence; every character that marks something gets a backslash, @ is split from what follows, < & are entities. */
void escape_markdown_text(FILE *out, const char *text);

/*
 * A CSV field (RFC 4180): always quoted, quotes doubled, line ends kept. A field that a spreadsheet would take for a formula
 * (first of = + - @, tab, CR, LF, NUL) gets a ' in front (CWE-1236). Numbers aren't to be printed by this.
 */
void escape_csv(FILE *out, const char *text);

/* OpenMetrics label value, between the quotes: \ " and line end escaped. */
void escape_label(FILE *out, const char *text);

/* A value in a gnuplot data file, between double quotes: quotes, tabs and backslashes replaced, at most `limit` characters with … in the middle. */
void escape_gnuplot(FILE *out, const char *text, size_t limit);

/* The data part of a GitHub workflow command: % CR LF percent-encoded; a property also : and , */
void escape_command_data(FILE *out, const char *text);
void escape_command_property(FILE *out, const char *text);

/* A part of a Go benchmark name: letters, digits and . _ = - stay, all else becomes %XX. */
void escape_go(FILE *out, const char *text);

/* A literal in a POSIX extended expression inside single quotes of a POSIX shell. */
void escape_shell_expression(FILE *out, const char *text);

#endif
