/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/channel.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Shared futexes (no FUTEX_PRIVATE_FLAG): the two ends are processes. */
static long futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *limit)
{
    return syscall(SYS_futex, (void *)word, operation, value, limit, NULL, 0);
}

void channel_close_others(void)
{
    close_range(3, CHANNEL_TO_WORKER - 1, 0);
    close_range(CHANNEL_PAGE + 1, ~0u, 0);
    for (int fd = CHANNEL_TO_WORKER; fd <= CHANNEL_PAGE; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void channel_hand(_Atomic uint32_t *mover, uint32_t who)
{
    atomic_store_explicit(mover, who, memory_order_release);
    futex(mover, FUTEX_WAKE, 1, NULL);
}

void channel_wait(_Atomic uint32_t *mover, uint32_t who)
{
    uint32_t now;
    while ((now = atomic_load_explicit(mover, memory_order_acquire)) != who)
        futex(mover, FUTEX_WAIT, now, NULL);
}

bool channel_wait_for(_Atomic uint32_t *mover, uint32_t who, uint64_t limit_ns)
{
    struct timespec limit = {.tv_sec = (time_t)(limit_ns / 1000000000u), .tv_nsec = (long)(limit_ns % 1000000000u)};
    uint32_t now = atomic_load_explicit(mover, memory_order_acquire);
    if (now != who)
        futex(mover, FUTEX_WAIT, now, &limit);
    return atomic_load_explicit(mover, memory_order_acquire) == who;
}
