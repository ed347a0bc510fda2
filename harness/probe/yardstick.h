/* SPDX-License-Identifier: Apache-2.0
 *
 * Yardsticks: fixed loops of the harness itself whose time tells how fast the machine is just now, so that a run can be held
 * against runs of another day. suites/yardstick.lua measures them through the program's own symbols. They never change: a
 * yardstick with other work gets another name.
 */
#ifndef YARDSTICK_H
#define YARDSTICK_H

#include <stddef.h>
#include <stdint.h>

/* Bodies as the harness calls them, `n` iterations. `state` is a buffer of 64-bit words, the first of which gives its length. */

/* A chain of 4096 dependent 64-bit multiplications per iteration: clock and core. */
void yardstick_compute(void *state, uint64_t n);

/* Reads the buffer once per iteration, 8 bytes at a time in four sums: bandwidth of the level that holds it. */
void yardstick_read(void *state, uint64_t n);

#endif
