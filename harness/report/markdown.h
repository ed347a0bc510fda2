/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict table as GitHub-flavoured Markdown, fit for a comment: names in code spans, no links, no mentions, bounded in size.
 */
#ifndef REPORT_MARKDOWN_H
#define REPORT_MARKDOWN_H

#include <jansson.h>
#include <stdio.h>

enum { MARKDOWN_LIMIT = 56 * 1024 }; /* bytes of rows; with head and foot below the 60 KiB that a comment may have */

/* Headline, table worst first, notes, machine. Rows beyond `limit` bytes are counted instead. */
void markdown_print(FILE *out, const json_t *run, size_t limit);

#endif
