/* SPDX-License-Identifier: Apache-2.0
 *
 * What both ends of a worker share: descriptor numbers, and the futex hand-over of the page.
 */
#ifndef MEASURE_CHANNEL_H
#define MEASURE_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CHANNEL_ARGUMENT "--as-worker"

/* Descriptors in the worker; high numbers, so that a suite that writes to 3 or 4 hits nothing. */
enum { CHANNEL_TO_WORKER = 200, CHANNEL_FROM_WORKER = 201, CHANNEL_PAGE = 202 };

/*
 * In the worker: closes what else was inherited (a file of whoever started the harness is not a subject's to write to), and keeps
 * the three from commands that a subject starts.
 */
void channel_close_others(void);

/* Gives the move to `who` and wakes the one who waits for it. */
void channel_hand(_Atomic uint32_t *mover, uint32_t who);

/* Waits until the word names `who`. */
void channel_wait(_Atomic uint32_t *mover, uint32_t who);

/* As channel_wait, at most `limit_ns`; true when the word names `who`. Ends early (false) on a signal. */
bool channel_wait_for(_Atomic uint32_t *mover, uint32_t who, uint64_t limit_ns);

#endif
