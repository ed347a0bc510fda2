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

/* A worker that has found nothing to do for this long sleeps in the kernel. Longer than the gap between two layers of a model
 * step, far shorter than a scheduling slice. */
enum { SPIN_NS = 100000, LINE = 128 };

struct tern_team {
	_Atomic uint32_t turn __attribute__((aligned(LINE))); /* counts regions; workers wait for it to change */
	_Atomic int sleepers;
	_Atomic bool parked;  /* sleep at once instead of spinning */
	int n;                /* parts of the region at hand */
	tern_part_fn *part;
	void *data;
	_Atomic int left __attribute__((aligned(LINE)));      /* workers still in the region */
	_Atomic uint32_t arrived __attribute__((aligned(LINE)));
	uint32_t born;        /* turn at which the newest workers start to count */
	int workers;          /* threads that exist, in addition to the caller */
	bool crowded;         /* more threads than CPUs: spinning would only keep the others from running */
};

static struct tern_team the_team;
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
static bool spin_for_change(struct tern_team *t, uint32_t value)
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

static uint32_t await_turn(struct tern_team *t, uint32_t seen)
{
	if (!spin_for_change(t, seen)) {
		atomic_fetch_add(&t->sleepers, 1);
		while (atomic_load(&t->turn) == seen)
			sleep_on(&t->turn, seen);
		atomic_fetch_sub(&t->sleepers, 1);
	}
	return atomic_load_explicit(&t->turn, memory_order_acquire);
}

static void *work(void *argument)
{
	struct tern_team *t = &the_team;
	int id = (int)(intptr_t)argument;
	for (uint32_t seen = t->born;;) {
		seen = await_turn(t, seen);
		if (id < t->n)
			t->part(t->data, id, t->n, t);
		atomic_fetch_sub_explicit(&t->left, 1, memory_order_release);
	}
	return NULL;
}

/* Spins with patience: the other side is running unless the machine is crowded, in which case it needs our CPU. */
static void pause_politely(const struct tern_team *t, unsigned *tries)
{
	if (t->crowded || ++*tries % 4096 == 0)
		sched_yield();
	else
		relax();
}

/* Workers are started between regions only. A worker may run first after the next region has begun: it counts from `born`, so it
 * joins. `born` changes only here, after every older worker has taken part in a region, so none reads it late. */
static bool grow(struct tern_team *t, int workers)
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
		t->workers++;
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

static void run_region(struct tern_team *t, int n, tern_part_fn *part, void *data)
{
	t->n = n;
	t->part = part;
	t->data = data;
	atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
	atomic_store_explicit(&t->left, t->workers, memory_order_relaxed);
	atomic_store_explicit(&t->parked, false, memory_order_relaxed);
	atomic_fetch_add(&t->turn, 1);
	if (atomic_load(&t->sleepers))
		wake_all(&t->turn);
	part(data, 0, n, t);
	for (unsigned tries = 0; atomic_load_explicit(&t->left, memory_order_acquire);)
		pause_politely(t, &tries);
}

void tern_team_run(int n, tern_part_fn *part, void *data)
{
	n = n > TERN_THREADS_MAX ? TERN_THREADS_MAX : n;
	if (n > 1 && !pthread_mutex_trylock(&region)) {
		bool ready = grow(&the_team, n - 1);
		if (ready)
			run_region(&the_team, n, part, data);
		pthread_mutex_unlock(&region);
		if (ready)
			return;
	}
	part(data, 0, 1, NULL);
}

void tern_team_barrier(struct tern_team *t, int n)
{
	if (n < 2)
		return;
	uint32_t mine = atomic_fetch_add_explicit(&t->arrived, 1, memory_order_acq_rel);
	uint32_t goal = (mine / (uint32_t)n + 1) * (uint32_t)n;
	for (unsigned tries = 0; atomic_load_explicit(&t->arrived, memory_order_acquire) < goal;)
		pause_politely(t, &tries);
}

void tern_team_park(void)
{
	struct tern_team *t = &the_team;
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
