/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/fleet.h"

#include <string.h>

enum exit_code command_fleet(const struct options *options, struct fault *fault)
{
    static const struct {
        const char *name;
        enum exit_code (*body)(const struct options *, struct fault *);
    } verbs[] = {{"submit", fleet_submit}, {"status", fleet_status}, {"collect", fleet_collect}, {"cancel", fleet_cancel}};
    const char *name = options->operands.n ? options->operands.items[0] : "";
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return verbs[i].body(options, fault);
    fault_set(fault, EXIT_CODE_USAGE, "fleet: expected submit, status, collect or cancel, found '%s'", name);
    return fault->code;
}
