/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "history/csv_changes.h"

#include <string.h>

static enum exit_code changes(const struct options *options, struct fault *fault)
{
    if (options->given_csv)
        return csv_changes(options->csv, options->stream, options->verbose, fault) ? EXIT_CODE_PASS : fault->code;
    fault_set(fault, EXIT_CODE_USAGE, "history changes: expected --csv FILE");
    return fault->code;
}

struct verb {
    const char *name;
    enum exit_code (*body)(const struct options *, struct fault *);
};

static const struct verb verbs[] = {
    {"changes", changes},
};

enum exit_code command_history(const struct options *options, struct fault *fault)
{
    const char *name = options->operands.n ? options->operands.items[0] : "";
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return verbs[i].body(options, fault);
    fault_set(fault, EXIT_CODE_USAGE, "history: expected changes, found '%s'", name);
    return fault->code;
}
