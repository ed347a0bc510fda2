/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict table as GitHub-flavoured Markdown, and the same for a job's step summary (1 MiB there, so more rows).
 */
#include "report/formats.h"

#include "report/markdown.h"

bool format_markdown(FILE *out, const json_t *run)
{
    markdown_print(out, run, MARKDOWN_LIMIT);
    return true;
}

bool format_summary(FILE *out, const json_t *run)
{
    markdown_print(out, run, 900 * 1024);
    return true;
}
