/* SPDX-License-Identifier: Apache-2.0
 *
 * The lanes of a paired measurement: the base's build, the same build again (the null lane), the head's build.
 */
#ifndef LANE_H
#define LANE_H

enum lane { LANE_BASE, LANE_BASE2, LANE_HEAD, N_LANES };

/* "base", "base2", "head", as in files. */
const char *lane_name(enum lane lane);

#endif
