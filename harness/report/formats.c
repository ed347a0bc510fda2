/* SPDX-License-Identifier: Apache-2.0 */
#include "report/formats.h"

#include "store/durable.h"

#include <errno.h>
#include <string.h>

const struct format formats[] = {
#define FORMAT(name, function, about) {name, format_##function, about},
#include "report/formats.def"
#undef FORMAT
    {0},
};

static const struct format *find(const char *name, size_t length)
{
    for (const struct format *row = formats; row->name; row++)
        if (strlen(row->name) == length && memcmp(row->name, name, length) == 0)
            return row;
    return NULL;
}

const struct format *formats_find(const char *name)
{
    return find(name, strlen(name));
}

/* The row and the file of "NAME=FILE". */
static const struct format *split(const char *name_equals_file, const char **file, struct fault *fault)
{
    size_t length = strcspn(name_equals_file, "=");
    const struct format *row = find(name_equals_file, length);
    *file = name_equals_file[length] ? name_equals_file + length + 1 : "";
    if (row && **file)
        return row;
    char names[512] = "";
    for (const struct format *each = formats; each->name; each++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", *names ? ", " : "", each->name);
    fault_set(fault, EXIT_CODE_USAGE, "--format: expected NAME=FILE with NAME one of %s; found '%s'", names, name_equals_file);
    return NULL;
}

bool formats_check(const char *name_equals_file, struct fault *fault)
{
    const char *file;
    const struct format *row = split(name_equals_file, &file, fault);
    return row && (strcmp(file, "-") == 0 || durable_check(file, fault));
}

static bool print_to_output(const struct format *row, const json_t *run, struct fault *fault)
{
    bool ok = row->print(stdout, run) && fflush(stdout) == 0;
    return ok || fault_set(fault, EXIT_CODE_USAGE, "--format %s: standard output: %s", row->name, strerror(errno));
}

bool formats_write(const json_t *run, const char *name_equals_file, struct fault *fault)
{
    const char *name;
    struct durable file;
    const struct format *row = split(name_equals_file, &name, fault);
    if (!row)
        return false;
    if (strcmp(name, "-") == 0)
        return print_to_output(row, run, fault);
    if (!durable_open(&file, name, fault))
        return false;
    if (row->print(file.stream, run))
        return durable_close(&file, fault);
    durable_abandon(&file);
    return fault_set(fault, EXIT_CODE_USAGE, "--format %s: out of memory", row->name);
}
