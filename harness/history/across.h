/* SPDX-License-Identifier: Apache-2.0
 *
 * `history show`: what the store holds; with an expression on cells, the same cells on every machine side by side: the newest
 * level, its ratio to the first machine's, its share of that machine's own roof, and what changed there last. Under it each
 * machine's score: the geometric mean of its ratios over the cells that both have, with a 95 % interval (Fleming and Wallace,
 * "How not to lie with statistics", CACM 1986). Machines are compared here, never judged by each other.
 */
#ifndef HISTORY_ACROSS_H
#define HISTORY_ACROSS_H

#include "cli.h"

enum exit_code history_show(const struct options *options, const char *url, struct fault *fault);

#endif
