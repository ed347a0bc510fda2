/* SPDX-License-Identifier: Apache-2.0
 *
 * New runs of identical code from recorded ones: what the gate would have said on other days of the same machine.
 *
 * A run has `cells` cells drawn with replacement. A cell keeps its number of generations; each is drawn with replacement from the
 * cell's, its rounds in blocks of 8 from a random start (circular), and its three lanes are given the names base, base2 and head
 * in random order, which for three processes of one build are as likely as any other. So the generation effect is drawn anew too.
 * Source: circular block bootstrap, Politis and Romano (1992), in "Exploring the Limits of Bootstrap", 263-270.
 */
#ifndef RESAMPLE_H
#define RESAMPLE_H

#include "gate/rounds.h"

#include <stdint.h>

/* Draws a run; `*random` is the state of a SplitMix64. False when memory is short. */
bool resample_run(const struct rounds *recorded, size_t cells, uint64_t *random, struct rounds *run);

#endif
