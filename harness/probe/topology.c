/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/topology.h"

#include <hwloc.h>
#include <stddef.h>

static double cache_per_core(hwloc_topology_t t, hwloc_obj_type_t type)
{
    hwloc_obj_t cache = hwloc_get_obj_by_type(t, type, 0);
    if (!cache)
        return 0;
    int cores = hwloc_get_nbobjs_inside_cpuset_by_type(t, cache->cpuset, HWLOC_OBJ_CORE);
    return (double)cache->attr->cache.size / (cores > 0 ? cores : 1);
}

struct topology topology_now(void)
{
    static const char *const gpu_components[] = {"cuda", "nvml", "opencl", "gl", "rsmi", "levelzero"};
    struct topology found = {0};
    hwloc_topology_t t;
    if (hwloc_topology_init(&t) != 0)
        return found;
    for (size_t i = 0; i < sizeof gpu_components / sizeof *gpu_components; i++)
        hwloc_topology_set_components(t, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, gpu_components[i]);
    if (hwloc_topology_load(t) == 0) {
        found.cores = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_CORE);
        found.threads = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_PU);
        found.smt = found.threads > found.cores && found.cores > 0;
        found.l2_per_core = cache_per_core(t, HWLOC_OBJ_L2CACHE);
        found.l3_per_core = cache_per_core(t, HWLOC_OBJ_L3CACHE);
    }
    hwloc_topology_destroy(t);
    return found;
}
