/* SPDX-License-Identifier: Apache-2.0
 *
 * The laboratory's live half: `lab null`, `lab power` and `lab record` measure this machine.
 */
#ifndef COMMAND_LAB_LIVE_H
#define COMMAND_LAB_LIVE_H

#include "cli.h"

/* lab null|power|record [SUITE…]: measures the main job's cells with one build in all lanes until --cells were judged. */
enum exit_code lab_live(const struct options *options, double change, bool records, struct fault *fault);

#endif
