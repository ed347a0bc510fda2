/* SPDX-License-Identifier: Apache-2.0
 *
 * ternmark history live [-- PROGRAM ARG…]: times that a running program tells of go into the store, and are held against it as they come.
 *
 * The program gets a socket as a descriptor named in TERN_MONITOR, to which the engine's monitor (engine/tern.h) writes; without
 * a program the same lines are read from standard input: {"name":"…","ns":[…]}, ns of one run each, `total` and other keys ignored.
 */
#ifndef HISTORY_LIVE_H
#define HISTORY_LIVE_H

#include "cli.h"

/*
 * Watches until the program or the input ends. Every --every one run is stored: suite "live", one cell a name. A rolling window of
 * 64 samples is held against the level that the store had of the name when watching began (of the cell `name` of this hardware, where
 * there is one, else of "live/name"): above it by more than --tolerance, by a sign test at 0.001, an alert is stored, printed and given to --hook,
 * once until the median was back. 1: a new alert that is not muted; 3: nothing came; 4: the program failed; 130: interrupted.
 */
enum exit_code history_live(const struct options *options, const char *url, struct fault *fault);

#endif
