/* SPDX-License-Identifier: Apache-2.0 */
#include "core/threads.h"
#include "core/places.h"
#include "tern.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
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
enum { SPIN_NS = 100000, LINE = 128, PATIENCE = 64 };

/*
 * What the caller and one worker tell each other, a cache line each way, so that a region costs a worker one line fetched before its part
 * and the caller one after. The caller writes the part and opens the seat with the region's turn; whoever moves `open` from that turn to 0 owns
 * the part, so a worker that was held up over several regions finds another turn, or none, and takes nothing. No region ends before all its
 * seats are taken and done.
 */
struct seat {
    _Atomic uint32_t open __attribute__((aligned(LINE))); /* 0: nothing to do */
    int parts;
    tern_part_fn *part;
    void *data;
    uint32_t seen;  /* barriers that the caller has seen the worker come to */
    _Atomic uint32_t done __attribute__((aligned(LINE))); /* the last turn that the worker finished */
    _Atomic uint32_t met; /* barriers that it has come to */
    _Atomic bool asleep;
};

static struct team {
    uint32_t turn;        /* counts regions, never 0 */
    int workers;          /* threads that exist, in addition to the caller */
    pthread_t threads[TERN_THREADS_MAX];
    struct tern_placed placed;
    bool fences;          /* the kernel makes a fence in other threads on request (membarrier) */
    _Atomic bool crowded; /* more threads than CPUs: spinning would only keep the others from running */
    _Atomic bool parked;  /* sleep at once instead of spinning */
    _Atomic uint32_t passed __attribute__((aligned(LINE))); /* barriers that all have come to */
    struct seat seats[TERN_THREADS_MAX];
} the_team;
static pthread_mutex_t region = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool openmp_used;
static _Thread_local int my_seat; /* 0: the caller */

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

static void wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/*
 * A worker says that it sleeps and looks once more at its seat; the caller opens the seat and looks whether it sleeps. One of them must see the
 * other, which takes a fence on both sides. A fence in the caller would wait for the line of the seat at every call, so the worker, who has
 * time, makes the kernel fence both (membarrier, Linux 4.14); without that the caller fences too.
 */
static void fence_before_sleep(const struct team *t)
{
    if (t->fences)
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    else
        atomic_thread_fence(memory_order_seq_cst);
}

static void fence_after_opening(const struct team *t)
{
    if (t->fences)
        atomic_signal_fence(memory_order_seq_cst);
    else
        atomic_thread_fence(memory_order_seq_cst);
}

/* Spins until the seat is open, or the time is up, or the team is parked. */
static bool spin_for_work(const struct team *t, struct seat *s)
{
    for (int64_t end = 0; !t->crowded;) {
        for (int i = 0; i < 64; i++) {
            if (atomic_load_explicit(&s->open, memory_order_relaxed))
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
    return false;
}

static uint32_t await_work(const struct team *t, struct seat *s)
{
    if (!spin_for_work(t, s)) {
        atomic_store_explicit(&s->asleep, true, memory_order_relaxed);
        fence_before_sleep(t);
        while (!atomic_load(&s->open))
            sleep_on(&s->open, 0);
        atomic_store_explicit(&s->asleep, false, memory_order_relaxed);
    }
    return atomic_load_explicit(&s->open, memory_order_relaxed);
}

static bool take(struct seat *s, uint32_t turn)
{
    return turn && atomic_compare_exchange_strong_explicit(&s->open, &turn, 0, memory_order_acquire, memory_order_relaxed);
}

static void *work(void *argument)
{
    struct team *t = &the_team;
    int id = my_seat = (int)(intptr_t)argument;
    struct seat *s = &t->seats[id];
    for (;;) {
        uint32_t turn = await_work(t, s);
        if (!take(s, turn))
            continue;
        s->part(s->data, id, s->parts);
        atomic_store_explicit(&s->done, turn, memory_order_release);
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

int tern_threads_allowed(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

static void move(pthread_t thread, int *placed, int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    pthread_setaffinity_np(thread, sizeof set, &set);
    *placed = cpu;
}

/* Whether the threads' processors and the caller's former one may still be used. */
static bool still_allowed(const struct tern_placed *p, int n, const cpu_set_t *set)
{
    bool fine = p->caller >= 0 && CPU_ISSET((size_t)p->caller, set);
    for (int i = 0; fine && i < n; i++)
        fine = CPU_ISSET((size_t)p->cpus[i], set);
    return fine;
}

void tern_threads_place(const pthread_t *threads, int n, struct tern_placed *placed)
{
    int here = sched_getcpu(), cpus[CPU_SETSIZE];
    cpu_set_t set;
    if (here < 0 || here == placed->caller || sched_getaffinity(0, sizeof set, &set) || !CPU_ISSET((size_t)here, &set) || CPU_COUNT(&set) <= n)
        return;
    if (still_allowed(placed, n, &set)) {
        for (int i = 0; i < n; i++)
            if (placed->cpus[i] == here)
                move(threads[i], &placed->cpus[i], placed->caller);
    } else {
        tern_places_order(tern_places(), &set, here, cpus);
        for (int i = 0; i < n; i++)
            move(threads[i], &placed->cpus[i], cpus[i + 1]);
    }
    placed->caller = here;
}

/* Workers are started between regions only. */
static bool grow(struct team *t, int workers)
{
    pthread_attr_t attr;
    if (t->workers >= workers)
        return true;
    if (!t->workers)
        t->fences = !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    while (t->workers < workers) {
        pthread_t thread;
        if (pthread_create(&thread, &attr, work, (void *)(intptr_t)(t->workers + 1)))
            break;
        t->threads[t->workers++] = thread;
        t->placed.caller = -1;
    }
    pthread_attr_destroy(&attr);
    t->crowded = t->workers + 1 > tern_threads_allowed();
    if (!t->crowded) /* before they touch memory that they will read */
        tern_threads_place(t->threads, t->workers, &t->placed);
    return t->workers >= workers;
}

static void open_seats(struct team *t, uint32_t turn, int n, tern_part_fn *part, void *data)
{
    bool sleepers = false;
    atomic_store_explicit(&t->parked, false, memory_order_relaxed);
    for (int id = 1; id < n; id++) {
        struct seat *s = &t->seats[id];
        s->part = part;
        s->data = data;
        s->parts = n;
        atomic_store_explicit(&s->open, turn, memory_order_release);
    }
    fence_after_opening(t);
    for (int id = 1; id < n; id++)
        sleepers |= atomic_load_explicit(&t->seats[id].asleep, memory_order_relaxed);
    if (!sleepers)
        return;
    if (!t->crowded)
        tern_threads_place(t->threads, t->workers, &t->placed);
    for (int id = 1; id < n; id++)
        if (atomic_load_explicit(&t->seats[id].asleep, memory_order_relaxed))
            wake(&t->seats[id].open);
}

/* Waits for the part of a seat, or does it when its worker has not begun after a while. */
static void close_seat(struct team *t, int id, uint32_t turn, bool together)
{
    struct seat *s = &t->seats[id];
    for (unsigned tries = 0; atomic_load_explicit(&s->done, memory_order_acquire) != turn;) {
        if (!together && tries % PATIENCE == PATIENCE - 1 && atomic_load_explicit(&s->open, memory_order_relaxed) == turn && take(s, turn)) {
            s->part(s->data, id, s->parts);
            return;
        }
        pause_politely(t, &tries);
    }
}

static void run_region(struct team *t, int n, tern_part_fn *part, void *data, bool together)
{
    uint32_t turn = t->turn = t->turn + 1 ? t->turn + 1 : 1;
    open_seats(t, turn, n, part, data);
    part(data, 0, n);
    for (int id = 1; id < n; id++)
        close_seat(t, id, turn, together);
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

/* Workers tell the caller, and the caller tells all: a line fetched each way. */
void tern_team_barrier(int n)
{
    struct team *t = &the_team;
    unsigned tries = 0;
    int id = my_seat;
    if (n < 2)
        return;
    if (id) {
        uint32_t mine = atomic_load_explicit(&t->seats[id].met, memory_order_relaxed) + 1;
        uint32_t before = atomic_load_explicit(&t->passed, memory_order_relaxed);
        atomic_store_explicit(&t->seats[id].met, mine, memory_order_release);
        while (atomic_load_explicit(&t->passed, memory_order_acquire) == before)
            pause_politely(t, &tries);
        return;
    }
    for (int i = 1; i < n; i++)
        while (atomic_load_explicit(&t->seats[i].met, memory_order_acquire) == t->seats[i].seen)
            pause_politely(t, &tries);
    for (int i = 1; i < n; i++)
        t->seats[i].seen++;
    atomic_store_explicit(&t->passed, t->passed + 1, memory_order_release);
}

static int asleep(const struct team *t)
{
    int n = 0;
    for (int id = 1; id <= t->workers; id++)
        n += atomic_load_explicit(&t->seats[id].asleep, memory_order_relaxed);
    return n;
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
    for (unsigned tries = 0; asleep(t) < t->workers && tries < 1u << 20;)
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
