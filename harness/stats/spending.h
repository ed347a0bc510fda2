/* SPDX-License-Identifier: Apache-2.0
 *
 * When a sequential decision looks at its data, and how much of its error rate each look may spend.
 *
 * Looks come at 16, 24, 36, … rounds (ratio 1.5, rounded up). Look k may err with probability share(k) * alpha, and
 * the shares sum to at most 1; so by the union bound the chance of an error at any look, with stopping at will, is at
 * most alpha. Nothing is assumed about how looks depend on each other; each needs only its own tail to be right.
 * Source: alpha spending, Lan and DeMets, Biometrika 70 (1983) 659-663; geometric epochs joined by the union bound
 * ("stitching"), Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49 (2021) 1055-1080, section 3.1.
 */
#ifndef SPENDING_H
#define SPENDING_H

#include <stddef.h>

/* Rounds at which look k = 0, 1, … is due. */
size_t spending_rounds(size_t k);

/* The share of look k: 1/14 each for the first twelve (up to 1400 rounds), then 1/7 * 1/(j (j+1)), j = k - 11. */
double spending_share(size_t k);

#endif
