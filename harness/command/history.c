/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "history/across.h"
#include "history/alerts.h"
#include "history/csv_changes.h"
#include "history/import.h"
#include "history/live.h"
#include "history/trend.h"
#include "store/store.h"

#include <limits.h>
#include <string.h>

struct verb {
    const char *name;
    enum exit_code (*body)(const struct options *, const char *url, struct fault *);
};

static const struct verb verbs[] = {
    {"import", history_import}, {"show", history_show},     {"trend", history_trend},
    {"changes", history_changes}, {"export", history_export}, {"mute", history_mute}, {"acknowledge", history_acknowledge},
    {"live", history_live},
};

static const struct verb *verb_of(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

enum exit_code command_history(const struct options *options, struct fault *fault)
{
    const char *name = options->operands.n ? options->operands.items[0] : "";
    const struct verb *verb = verb_of(name);
    char url[PATH_MAX + 16];
    if (!verb)
        fault_set(fault, EXIT_CODE_USAGE, "history: expected import, show, trend, changes, export, mute, acknowledge or live, found '%s'", name);
    else if (verb->body == history_changes && options->given_csv)
        return csv_changes(options->csv, options->stream, options->verbose, fault) ? EXIT_CODE_PASS : fault->code;
    else if (options->store || store_default_url(url, sizeof url, fault))
        return verb->body(options, options->store ? options->store : url, fault);
    return fault->code;
}
