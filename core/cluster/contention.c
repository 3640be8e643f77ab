/* Contention: one node's CPU among all pods.
 *
 * When the pods' CPU limits and the noisy neighbour exceed the node, the CPU that is left is shared
 * among the computing pods by weighted max-min fairness. The weight of a pod is its CPU request,
 * and no pod is given more than it demands. The kernel's scheduler (CFS) approaches this with its
 * weights. The neighbour cannot be throttled by the cluster and takes its part first.
 *
 * The shares are computed anew at the moment at which a pod's demand changes. So the pods together
 * never use more than there is, and no CPU is idle that a pod could use. A pod with a limit below
 * one core demands the same whether one call computes or ten: calls of busy pods, of which there
 * are many when CPU is short, cause no new computation. While limits and neighbour fit on the node,
 * nothing is computed. */
#include "core/cluster/share.h"

static bool contention_possible(const struct sim *s)
{
    double node_cores = s->shared->topology->cfg->node_cpu_m * 1e-3;
    return s->limit_cores + s->neighbour_m * 1e-3 > node_cores + 1e-9;
}

static double pod_weight(const struct sim *s, const struct sim_pod *p)
{
    return s->shared->topology->cfg->services[p->service].cpu_m;
}

/* What it could use now: its limit, but one core for each computing call at most. */
static double pod_demand(const struct sim *s, const struct sim_pod *p)
{
    double limit = s->services[p->service].cores;
    return (double)p->computing < limit ? (double)p->computing : limit;
}

static double demand_of_all(const struct sim *s)
{
    double sum = 0.0;
    for (int i = 0; i < s->shared->n_pods; i++) {
        const struct sim_pod *p = &s->pods[i];
        sum += p->computing > 0 ? pod_demand(s, p) : 0.0;
    }
    return sum;
}

/* The level: cores per unit of weight with which the pods together get exactly `cores`, each
 * min(demand, level x weight). SIM_NEVER if there is enough for all demands.
 *
 * Invariant: the pods get at most `cores` at the present level (at 0 they get nothing). Those with
 * full_at <= level are satisfied; the others share `left` in proportion to their weights. If left /
 * weight exceeds none of their demands, it is the level, and all of `cores` is given away. Else
 * left > least x weight, so the pods get less than `cores` at the level `least`, too, and the
 * invariant holds there. Each round satisfies one pod more at least, so there are at most n_pods +
 * 1. */
static double fair_level(const struct sim *s, double cores)
{
    double level = 0.0;
    for (;;) {
        double left = cores, weight = 0.0, least = SIM_NEVER;
        for (int i = 0; i < s->shared->n_pods; i++) {
            const struct sim_pod *p = &s->pods[i];
            if (p->computing == 0) {
                continue;
            }
            double full_at = pod_demand(s, p) / pod_weight(s, p);
            if (full_at <= level) {
                left -= pod_demand(s, p);
            } else {
                weight += pod_weight(s, p);
                least = full_at < least ? full_at : least;
            }
        }
        if (weight == 0.0) {
            return SIM_NEVER;
        }
        if (left / weight <= least) {
            return left / weight;
        }
        level = least; /* at least one more is satisfied: ends after n_pods rounds */
    }
}

static void set_cores(struct sim *s, double level)
{
    s->throttled = false;
    for (int i = 0; i < s->shared->n_pods; i++) {
        struct sim_pod *p = &s->pods[i];
        if (p->state != POD_READY && p->state != POD_DRAINING) {
            continue;
        }
        double limit = s->services[p->service].cores, part = level * pod_weight(s, p);
        double now_cores = part < limit ? part : limit;
        now_cores = now_cores > 1e-3 ? now_cores : 1e-3; /* the least CFS gives */
        s->throttled = s->throttled || now_cores < limit;
        if (now_cores != p->cores) {
            share_set_cores(p, now_cores, s->now);
            share_announce(s, i);
        }
    }
}

void sim_alloc_cpu(struct sim *s)
{
    double left_m = s->shared->topology->cfg->node_cpu_m - s->neighbour_m;
    double cores = left_m > 0.0 ? left_m * 1e-3 : 0.0;
    s->cpu_alloc_due = false;
    s->scarce = contention_possible(s);
    bool enough = !s->scarce || demand_of_all(s) <= cores;
    if (!enough || s->throttled) {
        set_cores(s, enough ? SIM_NEVER : fair_level(s, cores));
    }
}

void sim_contention_start(struct sim *s)
{
    s->neighbour_m = 0.0;
    s->throttled = s->scarce = false;
    s->cpu_alloc_due = true;
}
