/* SPDX-License-Identifier: Apache-2.0 */
#include "core/threads.h"
#include "tern.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* A worker that has found nothing to do for this long sleeps in the kernel: longer than the gap between two layers of a model
 * step, far shorter than a scheduling slice. */
enum { SPIN_NS = 100000, LINE = 128, PARTS_BITS = 9 };

struct seat {
    _Atomic uint32_t open; /* the turn whose part waits here to be taken; 0: none */
} __attribute__((aligned(LINE)));

/* `turn` counts regions in its upper bits and holds the number of parts in the lower ones, so that a worker that comes late never
 * mixes two regions. The caller opens each seat with the turn before the region begins, and whoever moves it from that turn to 0
 * owns the part: a worker that was held up over several regions finds another turn there, and takes nothing. No region ends before
 * all its seats are taken and done. */
static struct team {
    _Atomic uint32_t turn __attribute__((aligned(LINE)));
    tern_part_fn *part;
    void *data;
    _Atomic int sleepers;
    _Atomic bool parked;  /* sleep at once instead of spinning */
    uint32_t born;        /* turn from which the newest workers count */
    int workers;          /* threads that exist, in addition to the caller */
    pthread_t threads[TERN_THREADS_MAX];
    int placed_for;       /* the caller's processor when the workers were last placed; -1: not placed */
    _Atomic bool crowded; /* more threads than CPUs: spinning would only keep the others from running */
    _Atomic int left __attribute__((aligned(LINE))); /* parts not done */
    _Atomic uint32_t arrived __attribute__((aligned(LINE)));
    struct seat seats[TERN_THREADS_MAX];
} the_team;
static pthread_mutex_t region = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool openmp_used;

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sleep_on(_Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, TERN_THREADS_MAX, NULL, NULL, 0);
}

/* Spins until *word differs from value, or the time is up, or the team is parked. */
static bool spin_for_change(struct team *t, uint32_t value)
{
    if (t->crowded)
        return false;
    for (int64_t end = 0;;) {
        for (int i = 0; i < 64; i++) {
            if (atomic_load_explicit(&t->turn, memory_order_acquire) != value)
                return true;
            relax();
        }
        if (atomic_load_explicit(&t->parked, memory_order_relaxed))
            return false;
        int64_t at = now_ns();
        end = end ? end : at + SPIN_NS;
        if (at > end)
            return false;
    }
}

static uint32_t await_turn(struct team *t, uint32_t seen)
{
    if (!spin_for_change(t, seen)) {
        atomic_fetch_add(&t->sleepers, 1);
        while (atomic_load(&t->turn) == seen)
            sleep_on(&t->turn, seen);
        atomic_fetch_sub(&t->sleepers, 1);
    }
    return atomic_load_explicit(&t->turn, memory_order_acquire);
}

/* Takes part `id` in the region of that turn and does it; false when somebody has. */
static bool take(struct team *t, int id, uint32_t turn)
{
    if (!atomic_compare_exchange_strong(&t->seats[id].open, &turn, 0))
        return false;
    t->part(t->data, id, (int)(turn & ((1u << PARTS_BITS) - 1)));
    atomic_fetch_sub_explicit(&t->left, 1, memory_order_release);
    return true;
}

static void *work(void *argument)
{
    struct team *t = &the_team;
    int id = (int)(intptr_t)argument;
    for (uint32_t seen = t->born;;) {
        seen = await_turn(t, seen);
        if ((uint32_t)id < (seen & ((1u << PARTS_BITS) - 1)))
            take(t, id, seen);
    }
    return NULL;
}

/* Spins with patience: the other side is running unless the machine is crowded, in which case it needs our CPU. */
static void pause_politely(const struct team *t, unsigned *tries)
{
    if (t->crowded || ++*tries % 4096 == 0)
        sched_yield();
    else
        relax();
}

/* Workers are started between regions only, and count from the last one: they join the next even if they first run after it began. */
static bool grow(struct team *t, int workers)
{
    pthread_attr_t attr;
    if (t->workers >= workers)
        return true;
    t->born = atomic_load(&t->turn);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    while (t->workers < workers) {
        pthread_t thread;
        if (pthread_create(&thread, &attr, work, (void *)(intptr_t)(t->workers + 1)))
            break;
        t->threads[t->workers++] = thread;
        t->placed_for = -1;
    }
    pthread_attr_destroy(&attr);
    t->crowded = t->workers + 1 > tern_threads_allowed();
    return t->workers >= workers;
}

int tern_threads_allowed(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

/* Puts sleeping workers on processors other than the caller's. A kernel that wakes a thread where its waker runs leaves both on one
 * processor for milliseconds while the other idles: calls of 30 us took twice as long, for the whole life of some processes. */
static void place(struct team *t)
{
    int here = sched_getcpu(), cpus[CPU_SETSIZE], n = 0, mine = -1;
    cpu_set_t set;
    if (here < 0 || here == t->placed_for || t->crowded || sched_getaffinity(0, sizeof set, &set))
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET((size_t)cpu, &set))
            continue;
        mine = cpu == here ? n : mine;
        cpus[n++] = cpu;
    }
    for (int i = 0; mine >= 0 && n > t->workers && i < t->workers; i++) {
        CPU_ZERO(&set);
        CPU_SET((size_t)cpus[(mine + 1 + i) % n], &set);
        pthread_setaffinity_np(t->threads[i], sizeof set, &set);
    }
    t->placed_for = here;
}

static void run_region(struct team *t, int n, tern_part_fn *part, void *data, bool together)
{
    uint32_t count = (atomic_load_explicit(&t->turn, memory_order_relaxed) >> PARTS_BITS) + 1, turn = count << PARTS_BITS | (uint32_t)n;
    t->part = part;
    t->data = data;
    atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&t->left, n - 1, memory_order_relaxed);
    for (int id = 1; id < n; id++)
        atomic_store_explicit(&t->seats[id].open, turn, memory_order_relaxed);
    atomic_store_explicit(&t->parked, false, memory_order_relaxed);
    atomic_store(&t->turn, turn);
    if (atomic_load(&t->sleepers)) {
        place(t);
        wake_all(&t->turn);
    }
    part(data, 0, n);
    for (int id = 1; !together && id < n && atomic_load_explicit(&t->left, memory_order_acquire); id++)
        take(t, id, turn);
    for (unsigned tries = 0; atomic_load_explicit(&t->left, memory_order_acquire);)
        pause_politely(t, &tries);
}

static void enter(int n, tern_part_fn *part, void *data, bool together)
{
    n = n > TERN_THREADS_MAX ? TERN_THREADS_MAX : n;
    if (n > 1 && !pthread_mutex_trylock(&region)) {
        bool ready = grow(&the_team, n - 1);
        if (ready)
            run_region(&the_team, n, part, data, together);
        pthread_mutex_unlock(&region);
        if (ready)
            return;
    }
    part(data, 0, 1);
}

void tern_team_run(int n, tern_part_fn *part, void *data)
{
    enter(n, part, data, false);
}

void tern_team_run_together(int n, tern_part_fn *part, void *data)
{
    enter(n, part, data, true);
}

void tern_team_barrier(int n)
{
    struct team *t = &the_team;
    if (n < 2)
        return;
    uint32_t mine = atomic_fetch_add_explicit(&t->arrived, 1, memory_order_acq_rel);
    uint32_t goal = (mine / (uint32_t)n + 1) * (uint32_t)n;
    for (unsigned tries = 0; atomic_load_explicit(&t->arrived, memory_order_acquire) < goal;)
        pause_politely(t, &tries);
}

void tern_team_park(void)
{
    struct team *t = &the_team;
    atomic_store(&t->parked, true);
#if defined(_OPENMP) && _OPENMP >= 201811
    if (atomic_exchange(&openmp_used, false))
        omp_pause_resource_all(omp_pause_soft);
#endif
    if (pthread_mutex_lock(&region))
        return;
    for (unsigned tries = 0; atomic_load(&t->sleepers) < t->workers && tries < 1u << 20;)
        pause_politely(t, &tries);
    pthread_mutex_unlock(&region);
}

void tern_threads_used_openmp(void)
{
    atomic_store(&openmp_used, true);
}

void tern_share(size_t n, int id, int parts, size_t *from, size_t *to)
{
    size_t p = (size_t)parts, i = (size_t)id, each = n / p, rest = n % p;
    *from = i * each + (i < rest ? i : rest);
    *to = *from + each + (i < rest);
}

void tern_quiesce(void)
{
    tern_team_park();
}
