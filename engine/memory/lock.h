/* SPDX-License-Identifier: Apache-2.0
 *
 * A lock of four bytes for sections of some tens of nanoseconds: spins, and after a while lets others run, so that an owner
 * that lost its core is not waited for at full speed. Zero is unlocked.
 */
#ifndef TERN_MEMORY_LOCK_H
#define TERN_MEMORY_LOCK_H

#include <sched.h>
#include <stdint.h>

struct tern_lock {
    uint32_t is_held;
};

static inline void tern_lock_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline void tern_lock(struct tern_lock *lock)
{
    for (unsigned spins = 1; __atomic_exchange_n(&lock->is_held, 1, __ATOMIC_ACQUIRE); spins++)
        while (__atomic_load_n(&lock->is_held, __ATOMIC_RELAXED))
            if (++spins % 256)
                tern_lock_pause();
            else
                sched_yield();
}

static inline void tern_unlock(struct tern_lock *lock)
{
    __atomic_store_n(&lock->is_held, 0, __ATOMIC_RELEASE);
}

#endif
