/* SPDX-License-Identifier: Apache-2.0 */
#include "report/templates.h"

#include <string.h>

const char *template_text(const char *name)
{
    for (const struct template *row = templates; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return row->text;
    return "";
}
