/* SPDX-License-Identifier: Apache-2.0
 *
 * The result itself (harness/store/SCHEMA.md) on one line, checksum and all.
 */
#include "report/formats.h"

#include "store/canonical.h"

bool format_json(FILE *out, const json_t *run)
{
    return canonical_print(run, canonical_to_file, out) && fputc('\n', out) != EOF;
}
