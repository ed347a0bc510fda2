/* SPDX-License-Identifier: Apache-2.0
 *
 * The laboratory's live half: `lab null`, `lab power` and `lab record` measure this machine; and what both halves print.
 */
#ifndef COMMAND_LAB_LIVE_H
#define COMMAND_LAB_LIVE_H

#include "cli.h"
#include "gate/decide.h"

struct lab_counts {
    size_t of[DECISION_UNFIT + 1];
    size_t cells, runs, red_runs;
    double turn_s, wall_s;   /* inside turns, all lanes; 0 for replays */
};

void lab_count(struct lab_counts *counts, enum decision decision);

/* Rates with their 95 % intervals. */
void lab_print(const struct lab_counts *counts, double change, bool as_json);

/* lab null|power|record [SUITE…]: measures the main job's cells with one build in all lanes until --cells were judged. */
enum exit_code lab_live(const struct options *options, double change, bool records, struct fault *fault);

#endif
