/* SPDX-License-Identifier: Apache-2.0
 *
 * The script of a fleet's job: constant text; everything that differs comes as its arguments.
 */
#ifndef FLEET_JOB_H
#define FLEET_JOB_H

/* Arguments: folder, class, bundle or "-", program (without a bundle), then the words of `ternmark run`. */
extern const char fleet_job[];

#endif
