/* SPDX-License-Identifier: Apache-2.0 */
#include "lane.h"

const char *lane_name(enum lane lane)
{
    static const char *const names[N_LANES] = {"base", "base2", "head"};
    return names[lane];
}
