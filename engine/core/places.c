/* SPDX-License-Identifier: Apache-2.0 */
#include "core/places.h"
#include "tern.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Built without hwloc for the emulated machines of tests only: one flat node. */
#ifndef TERN_WITHOUT_HWLOC
#include <hwloc.h>

static hwloc_topology_t the_topology; /* kept where there are several nodes */

static void bind_pages(void *at, size_t bytes, int node)
{
    hwloc_obj_t o = hwloc_get_obj_by_type(the_topology, HWLOC_OBJ_NUMANODE, (unsigned)node);
    /* Where the system refuses, pages still come from where they are touched first. */
    if (o)
        hwloc_set_area_membind(the_topology, at, bytes, o->nodeset, HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_MIGRATE);
}

static void number(hwloc_topology_t t, hwloc_obj_type_t type, int *of_processor)
{
    for (hwloc_obj_t o = NULL; (o = hwloc_get_next_obj_by_type(t, type, o));)
        for (int cpu = -1; (cpu = hwloc_bitmap_next(o->cpuset, cpu)) >= 0 && cpu < CPU_SETSIZE;)
            of_processor[cpu] = (int)o->logical_index;
}

/* The components for GPUs open the card, which a process that does not ask for it must not. */
static hwloc_topology_t load(const char *synthetic)
{
    static const char *const gpu_components[] = { "cuda", "nvml", "opencl", "gl", "rsmi", "levelzero" };
    hwloc_topology_t t;
    if (hwloc_topology_init(&t))
        return NULL;
    for (size_t i = 0; i < sizeof gpu_components / sizeof *gpu_components; i++)
        hwloc_topology_set_components(t, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, gpu_components[i]);
    if ((synthetic && hwloc_topology_set_synthetic(t, synthetic)) || hwloc_topology_load(t)) {
        hwloc_topology_destroy(t);
        return NULL;
    }
    return t;
}

static bool read_topology(struct tern_places *places, const char *synthetic)
{
    hwloc_topology_t t = load(synthetic);
    if (!t)
        return false;
    int nodes = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_NUMANODE);
    number(t, HWLOC_OBJ_CORE, places->core);
    number(t, HWLOC_OBJ_NUMANODE, places->node);
    places->nodes = nodes > 1 ? nodes : 1;
    if (synthetic || nodes < 2) {
        hwloc_topology_destroy(t);
        return true;
    }
    the_topology = t;
    places->bind = bind_pages;
    return true;
}
#else
static bool read_topology(struct tern_places *places, const char *synthetic)
{
    (void)places;
    (void)synthetic;
    return false;
}
#endif

bool tern_places_read(struct tern_places *places, const char *synthetic)
{
    *places = (struct tern_places){ .nodes = 1 };
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        places->core[cpu] = cpu;
    return read_topology(places, synthetic);
}

static struct tern_places the_places;
static pthread_once_t asked = PTHREAD_ONCE_INIT;

static void ask(void)
{
    tern_places_read(&the_places, NULL);
}

const struct tern_places *tern_places(void)
{
    pthread_once(&asked, ask);
    return &the_places;
}

/* ---- order */

struct candidate {
    int rank; /* allowed processors of the same core that are taken before it */
    int far;  /* on another node than the caller */
    int turn; /* counted on from the caller's number */
    int cpu;
};

static int by_order(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return x->rank != y->rank ? x->rank - y->rank : x->far != y->far ? x->far - y->far : x->turn - y->turn;
}

static int rank_of(const struct tern_places *places, const cpu_set_t *allowed, int here, int cpu)
{
    int rank = 0;
    for (int other = 0; cpu != here && other < CPU_SETSIZE; other++)
        rank += CPU_ISSET((size_t)other, allowed) && places->core[other] == places->core[cpu] && (other == here || other < cpu);
    return rank;
}

int tern_places_order(const struct tern_places *places, const cpu_set_t *allowed, int here, int *cpus)
{
    struct candidate all[CPU_SETSIZE];
    int n = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, allowed))
            all[n++] = (struct candidate){ rank_of(places, allowed, here, cpu), places->node[cpu] != places->node[here],
                                           (cpu - here + CPU_SETSIZE) % CPU_SETSIZE, cpu };
    qsort(all, (size_t)n, sizeof *all, by_order);
    for (int i = 0; i < n; i++)
        cpus[i] = all[i].cpu;
    return n;
}

/* ---- memory */

void tern_places_take(const struct tern_places *places, int cpu, void *from, size_t bytes)
{
    uintptr_t unit = TERN_PLACES_UNIT, begin = ((uintptr_t)from + unit - 1) / unit * unit, end = ((uintptr_t)from + bytes) / unit * unit;
    if (places->bind && cpu >= 0 && cpu < CPU_SETSIZE && begin < end)
        places->bind((char *)from + (begin - (uintptr_t)from), end - begin, places->node[cpu]);
}

/* ---- in words */

void tern_placement(int threads, char *text, size_t room)
{
    const struct tern_places *places = tern_places();
    int cpus[CPU_SETSIZE], here = sched_getcpu(), n = 0;
    size_t at = 0;
    cpu_set_t allowed;
    if (here >= 0 && !sched_getaffinity(0, sizeof allowed, &allowed))
        n = tern_places_order(places, &allowed, here, cpus);
    n = threads < n ? threads : n;
    if (room)
        *text = 0;
    for (int node = 0; node < places->nodes; node++) {
        bool named = false;
        for (int i = 0; i < n && at < room; i++)
            if (places->node[cpus[i]] == node) {
                at += (size_t)(named ? snprintf(text + at, room - at, " %d", cpus[i])
                                     : snprintf(text + at, room - at, "%snode %d of %d: processors %d", at ? "; " : "", node, places->nodes, cpus[i]));
                named = true;
            }
    }
}
