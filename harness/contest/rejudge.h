/* SPDX-License-Identifier: Apache-2.0
 *
 * A gate's result judged anew from its raw rounds, for whoever can't trust the machine that measured (a pull request from a fork):
 * nothing that the file says of verdicts, tolerances or its exit is believed.
 */
#ifndef CONTEST_REJUDGE_H
#define CONTEST_REJUDGE_H

#include "contest/judge.h"

/*
 * Replaces all verdicts, `exit` and the gate's tolerance of `gate` (loaded, kind gate) by what its paired rounds give at `tolerance`; a
 * measured cell without rounds is a pass only where its three builds are one, else not comparable; unfit and failed cells stay so.
 * With `baselines` (a folder as in contest/baseline.h, of a tree that is trusted; NULL: none) also by what its runs give against the
 * baseline of the hardware that the file names: slower, or lacking a cell that is expected. A red against it has no second measurement.
 * EXIT_CODE_USAGE: not a gate's result; EXIT_CODE_INVALID: a round that lacks a lane, a broken baseline, or a hardware key that is no name.
 */
bool rejudge_run(json_t *gate, double tolerance, const char *baselines, const struct judge_rule *rule, struct fault *fault);

#endif
