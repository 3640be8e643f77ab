/* The inside of one simulated cluster: what the files of this folder share.
 *
 *   cluster.c   the plant: a tile of simulations behind one table of operations
 *   sim.c       one simulation: its memory, its start, one decision period
 *   engine.c    the event loop
 *   agenda.h    which pod is next                       share.h   processor sharing of a pod's CPU
 *   draws.c     what calls draw, made ahead in vectors
 *   clients.c   requests and what clients do about them  timers.h    which client is next
 *   call.c      a request's walk through the call graph; slots and queues
 *   arrivals.c  when requests arrive                    replicas.c  pods come, drain, crash and go
 *   attack.c    what interferes with requests: slow-loris connections, calls lost on their way
 *   disturbances.c  what acts from outside: slow-downs, crash hazard, the neighbour's CPU
 *   liveness.c  busy pods that fail their liveness probes and are restarted
 *   contention.c    the node's CPU among all pods
 *   scrape.c    scrapes -> measured state               check.c     invariants
 *
 * Time is seconds from the start of the episode; a warm-up runs before 0. Events at one instant are
 * ordered: pods by slot, legitimate arrivals, attack, clients by number, disturbances, scrape.
 * Calls and pods are numbers into pools of fixed size, so that memory is bounded however hard the
 * cluster is flooded. */
#ifndef KARMA_CLUSTER_INTERNAL_H
#define KARMA_CLUSTER_INTERNAL_H

#include "core/base/rng.h"
#include "core/cluster/agenda.h"
#include "core/cluster/cluster.h"
#include "core/cluster/draws.h"
#include "core/cluster/timers.h"
#include "core/plant/schema.h"
#include "core/scenario/attacker.h"
#include "core/scenario/schedule.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define SIM_NEVER HUGE_VAL

/* Decay of the learned attacker's crash probability per tick: 2^(-1/300), by half in
 * ATTACK_HALF_LIFE_S. */
#define SIM_ATTACK_DECAY 0.99769217652702336

enum {
    SIM_TICKS_PER_S = 10, /* disturbances are looked at every 0.1 s */
    SIM_OLD_S = 600,      /* age of the first pods, cap of the measured age */
};

/* A quantity that is constant between changes, and its exact integral over time. */
struct sim_area {
    double value, since_s, sum;
};
static inline double sim_area_at(const struct sim_area *a, double now)
{
    return a->sum + a->value * (now - a->since_s);
}
static inline void sim_area_add(struct sim_area *a, double now, double change)
{
    a->sum = sim_area_at(a, now);
    a->since_s = now;
    a->value += change;
}

/* ---- calls ---- */

/* Instead of a caller. Nobody waits for an orphan: its caller was lost, gave up, or never meant to
 * wait. A held connection is no call: it is a slow-loris connection, see attack.c. A client with
 * record i is SIM_RECORD - i. */
enum { SIM_NO_CALL = -1, SIM_CLIENT = -2, SIM_ORPHAN = -3, SIM_HELD_CONN = -4, SIM_RECORD = -5 };
enum { SIM_OUTSIDE = -1 }; /* instead of a calling service: a client */
enum sim_call_state {
    CALL_FREE,
    CALL_QUEUED,
    CALL_COMPUTING,
    CALL_WAITING,
    CALL_LOST,
    CALL_HOLDING /* a held connection in a slot, until deadline_s */
};

/* Request numbers of the attack stream have the top bit set. */
#define SIM_ATTACK_BIT 0x80000000u

struct sim_call {
    double arrived_s;  /* at this service */
    double deadline_s; /* of the request */
    double work_s;     /* CPU-seconds of its own; of a held connection: time in its slot */
    int32_t parent;    /* the calling call, or one of the above */
    int32_t next;      /* behind it in the pod's queue, or in the free list */
    uint32_t request, visit;
    int32_t slot; /* of its pod */
    int16_t service;
    int16_t pending; /* callees that have not answered */
    uint8_t state;   /* enum sim_call_state */
    uint8_t left;    /* callees of a sequence still to be called */
    bool failed;     /* a callee has failed */
};

/* The context of a call: what it inherits from its caller. Who called is not always who waits: an
 * asynchronous callee has a calling service, and no parent. */
struct sim_call_ctx {
    double deadline_s;
    int32_t parent;
    int32_t from; /* calling service, or SIM_OUTSIDE */
    uint32_t request, visit;
};

/* ---- clients with a record ---- */

enum sim_client_state {
    CLIENT_IDLE,
    CLIENT_THINKING, /* a user between requests */
    CLIENT_WAITING,  /* for the answer of an attempt */
    CLIENT_BACKING   /* off, before the next attempt */
};

struct sim_client {
    double first_s;      /* the request's first attempt */
    double deadline_s;   /* of the request */
    int32_t call;        /* root of the running attempt, or SIM_NO_CALL */
    int32_t next;        /* in the list of idle records (open clients) */
    uint32_t request;    /* number of the running one, or of the next one while thinking */
    uint32_t attempt;    /* 0 = the first */
    uint32_t n_requests; /* of a user so far */
    int entry;           /* service it calls */
    enum sim_client_state state;
};

/* ---- pods ---- */

enum sim_pod_state {
    POD_FREE,
    POD_PENDING,  /* no room on the node yet */
    POD_STARTING, /* holds its CPU request, answers nothing */
    POD_READY,
    POD_CRASHED, /* waits for its restart */
    POD_DRAINING /* removed: no new calls */
};

enum { SHARE_STEP = 2 }; /* calls that are moved at once, see share.h */

struct sim_pod {
    /* Processor sharing, see share.h. */
    double virtual_s, since_s, rate, cores, cores_inverse, used_s;
    double *tag; /* (slots_per_pod) descending; SHARE_STEP times SIM_NEVER stand before the first */
    int32_t *who; /* (slots_per_pod) the call of each tag; likewise, without meaning */
    int computing;

    int held;   /* slots in use: computing, or waiting for callees */
    int queued; /* waiting for a slot: a list through sim_call.next */
    int32_t head, tail;

    int service;
    enum sim_pod_state state;
    uint32_t serial;          /* of its service, counts creations */
    uint32_t born;            /* the same over all services */
    uint32_t starts;          /* container starts so far */
    double next_transition_s; /* next change of state by the clock; SIM_NEVER: none */
    double created_s;
    double started_s;     /* scheduled on the node; its first container started */
    double transition_s;  /* readiness last changed; before, as started_s */
    double backoff_s;     /* of its last crash, 0 = none remembered */
    double warm_until_s;  /* calls begun before this are slowed down */
    double hazard_limit;  /* crashes when the hazard of its service passes this */
    double liveness_left; /* crashes when the hazard of its own load has used this up */
    int64_t first_scrape; /* since its container started */
};

/* ---- services ---- */

/* What a service counts; Prometheus counters that never reset. */
struct sim_counters {
    double received, succeeded, errors, latency_s, sent, used_s, ready_s;
};

struct sim_service {
    int32_t *ready;       /* (2 * max_replicas at least) slots, in the order they became ready */
    int n_ready, n_room;  /* ready; of these with room in queue or slots */
    int n_pods, n_failed; /* existing, draining ones not counted; of these crashed */
    int desired;
    uint32_t n_created;
    double slowdown;           /* factor on the service time */
    double hazard, crash_rate; /* integral, and rate per second, of the crash hazard of a pod */
    double attacked_p;         /* crash probability per minute added by the learned attacker */
    double cores;              /* CPU limit of a pod */
    struct sim_counters count; /* used_s: of pods that are gone; ready_s: unused */
    struct sim_area ready_area, up_area;         /* ready pods; 1 if there is one */
    double succeeded_mark, errors_mark, up_mark; /* at the start of the period */
};

/* ---- arrivals: one Poisson stream ---- */

enum { SIM_INCREMENTS = 4 * RNG_LANES }; /* a block of four numbers in each lane */

struct sim_stream {
    struct rng_key key;
    uint32_t n;           /* arrivals so far */
    uint32_t bit;         /* SIM_ATTACK_BIT or 0 */
    double rate;          /* 1/s, constant until rate_until_s */
    double work;          /* factor on the CPU of its requests, likewise */
    double plain_work;    /* the same without what the learned attacker adds: of requests with */
    uint32_t costly_from; /* numbers below this one */
    double left;          /* unit-exponential increment still to pass at since_s */
    double since_s;
    bool silent;         /* the rate only says how many users there are */
    double next_s;       /* next arrival at this rate, SIM_NEVER if beyond rate_until_s */
    double rate_until_s; /* the rate changes */
    double increments[SIM_INCREMENTS]; /* n/SIM_INCREMENTS*SIM_INCREMENTS .. +SIM_INCREMENTS-1 */
};

/* ---- measurement ---- */

struct sim_gauges {
    double queue, deployed, failed, ready, ram_mib, age_s;
};
struct sim_scrape_service {
    struct sim_counters count;
    struct sim_gauges gauge;
};
struct sim_scrape {
    double received, answered, resolved, latency_s; /* requests */
    bool failed;                                    /* nobody saw this one */
};

/* ---- one simulation ---- */

/* What all simulations of a tile share; sizes follow from topology and configuration. */
struct sim_shared {
    const struct cluster_cfg *cfg;
    const struct plant_cfg *plant;
    const struct topology *topology;
    int n_pods, n_calls;  /* sizes of the pools */
    int n_ready;          /* room of a ready list */
    int capacity;         /* slots + queue of a pod */
    int n_ring;           /* scrapes stored */
    int n_cohorts;        /* at most */
    int n_clients;        /* records; 0 if clients are open and do nothing but wait */
    bool least_loaded;    /* balancing, else random */
    bool storms_only;     /* records are for retry storms, and for nothing else */
    uint32_t tree_visits; /* no attempt of a request has more calls than this, modulo 2^32 */
    double warm_s;        /* length of the warm-up */
    double scrape_from_s; /* time of scrape 0, within the warm-up */
    uint32_t *visit_step; /* per edge: visit number of the callee - that of the caller */
};

struct sim {
    const struct sim_shared *shared;
    const struct schedule *schedule;
    struct episode_id id;
    struct rng_key key_route, key_client, key_pod, key_fault, key_liveness;
    struct sim_draws draws; /* of RNG_SERVICE */
    double now;
    int period; /* decision periods done */

    struct sim_agenda agenda;
    struct sim_call *calls; /* (n_calls) */
    int32_t free_call;      /* list through next; then calls from n_touched on */
    int n_touched, n_live;
    struct sim_pod *pods; /* (n_pods) */
    uint32_t n_born;
    struct sim_service *services;    /* (n_services) */
    double node_cpu_m, node_ram_mib; /* requested by pods on the node */
    double limit_cores;              /* of pods that may compute */
    bool schedule_pods_due;          /* pods may be created or scheduled: there is room */
    bool cpu_alloc_due;              /* the node's CPU has to be allocated anew */
    bool scarce;                     /* pods and neighbour could want more CPU than there is */

    struct sim_stream legit, attack;
    struct sim_client *clients; /* (n_clients) */
    struct sim_timers timers;
    int32_t idle_client; /* list through next, -1 = none; of open clients */
    int n_users;         /* of closed clients: those that go on */
    struct attacker attacker;
    double *extra_rps;  /* (n_entries) requests of the learned attacker, 1/s */
    double extra_total; /* their sum */
    double *conn_rps;   /* (n_entries) its slow-loris connections, 1/s */

    int64_t tick;            /* number of the next one */
    double tick_s, scrape_s; /* when; tick SIM_NEVER while nothing varies */
    double neighbour_m;
    bool throttled;        /* some pod has less CPU than its limit */
    double hazard_until_s; /* hazards are integrated up to here */
    bool lossy;            /* some link loses calls */

    int n_held_conns;         /* slow-loris connections, in slots and queues */
    uint32_t n_loris_arrived; /* that ever came */
    double loris_left;        /* unit exponential until the next one */
    double loris_until_s;     /* they have arrived up to here */
    double loris_rate;        /* 1/s, since then */
    double loris_hold_s;

    /* Requests since the warm-up's start, and the areas of the truth. */
    double received, answered, resolved, latency_s;
    double retries;         /* attempts after the first */
    struct sim_area inside; /* requests in flight, and */
    double sojourn_s;       /* from first attempt to end over all resolved: the sides of Little */
    struct sim_area waiting, pods_area, failed_area, entry_area, requested_area;
    struct plant_truth truth;             /* of the last period; while one runs, its counters */
    struct attack_answers attack_answers; /* of its period: requests of the attack stream */
    struct plant_truth mark;              /* integrals at the start of the period */
    struct plant_cohort *cohorts;         /* (n_cohorts) */
    int n_cohorts;                        /* of this episode */

    int64_t n_scrapes;                       /* taken */
    struct sim_scrape *ring;                 /* (n_ring) */
    struct sim_scrape_service *ring_service; /* (n_ring, n_services) */
    double *ring_pod;                        /* (n_ring, n_pods) CPU-seconds used */
    float *state;                            /* (state_size) */
    double observed_s;                       /* time of the scrape that `state` comes from */

    uint64_t hops;
};

/* The plant: what struct plant * of a cluster points to. */
struct cluster {
    struct plant plant;
    struct sim_shared shared;
    struct sim *sims; /* (n_env) */
    float *age;       /* (state_size) of cluster_age() */
    int max_horizon;
};

/* sim.c */
enum err sim_init(struct sim *s, struct arena *arena, const struct sim_shared *shared) WARN_UNUSED;
void sim_reset(struct sim *s, const struct episode_id *id, const struct schedule *schedule,
               int horizon);
void sim_step(struct sim *s, const int32_t *delta, const struct attack_action *attack);

/* engine.c: every event up to and including `until`. */
void sim_run(struct sim *s, double until);

/* The cohort of an arrival, NULL before the start and beyond the horizon. */
static inline struct plant_cohort *sim_cohort(struct sim *s, double arrived_s)
{
    int i = (int)(arrived_s * (1.0 / COHORT_S));
    return arrived_s >= 0.0 && i < s->n_cohorts ? &s->cohorts[i] : NULL;
}

/* clients.c */
void sim_clients_start(struct sim *s);                    /* after the streams */
void sim_request(struct sim *s, struct sim_stream *from); /* a client calls an entry */
void sim_users_follow(struct sim *s);                     /* the rate of the legitimate stream */
void sim_client_transition(struct sim *s);                /* the first timer is due */
void sim_client_answered(struct sim *s, int32_t client, bool failed); /* its attempt ended */
void sim_resolve(struct sim *s, uint32_t request, double arrived_s, bool failed);

/* call.c */
/* Send a call to a ready pod. Returns it; SIM_NO_CALL: refused, and nothing remains of it. */
int32_t sim_send(struct sim *s, int service, const struct sim_call_ctx *ctx, struct draw draw);
void sim_computed(struct sim *s, int slot);   /* the pod's next call is done */
void sim_lose_calls(struct sim *s, int slot); /* the pod died: all it held failed */

/* call.c, for attack.c: a held connection enters a pod (false: there is no room), and leaves it. */
bool sim_conn_open(struct sim *s, int service, double hold_s, uint32_t word);
void sim_conn_close(struct sim *s, int32_t conn);

/* attack.c */
void sim_loris_start(struct sim *s);
void sim_loris_advance(struct sim *s); /* up to now, at the rate held so far, and a new rate */
void sim_loris_attack(struct sim *s, const struct attack_action *attack, double room_rps);
__attribute__((cold)) bool sim_call_lost(const struct sim *s, int caller, int callee,
                                         uint32_t request, uint32_t visit);

/* Factor on the CPU demand of the calls of a request. A request of an attack that arrived before
 * the learned attacker last changed the factor costs nothing additional from then on: it was paid
 * for at the factor of its own period, which may have been less. */
static inline double sim_work(const struct sim *s, uint32_t request)
{
    if ((request & SIM_ATTACK_BIT) == 0) {
        return s->legit.work;
    }
    const bool costly = (request & ~SIM_ATTACK_BIT) >= s->attack.costly_from;
    return costly ? s->attack.work : s->attack.plain_work;
}

/* arrivals.c */
void sim_streams_start(struct sim *s);
void sim_stream_advance(const struct sim *s, struct sim_stream *a); /* past its next arrival */
void sim_stream_set_rate(const struct sim *s, struct sim_stream *a, double now); /* rates changed */
void sim_attack(struct sim *s, const struct attack_action *attack); /* each period, or NULL */

/* replicas.c */
void sim_pods_start(struct sim *s); /* the initial ones, ready and old */
void sim_scale(struct sim *s, int service, int desired);
void sim_schedule_pods(struct sim *s); /* create pods, put those on the node that fit */
void sim_pod_transition(struct sim *s, int slot);
void sim_pod_crash(struct sim *s, int slot);
void sim_pod_remove(struct sim *s, int slot);
void sim_room(struct sim *s, int service, int change); /* pods that would take one more call */

/* contention.c */
void sim_contention_start(struct sim *s);
void sim_alloc_cpu(struct sim *s); /* the node's CPU to the pods that can use it */

/* disturbances.c */
void sim_disturbances_start(struct sim *s);
void sim_disturbances_wake(struct sim *s); /* something began to vary: tick from the next one on */
void sim_disturbances_tick(struct sim *s);

/* liveness.c */
double liveness_hazard(const struct liveness_cfg *cfg, double work_s); /* 1/s, see there */
void sim_liveness_arm(struct sim *s, int slot);                        /* the pod becomes ready */
void sim_liveness_advance(struct sim *s, double since_s); /* from since_s (a tick) to now */

/* scrape.c */
int64_t sim_scrapes_in(const struct plant_cfg *plant, double seconds); /* nearest, at least 1 */
void sim_scrape_take(struct sim *s);
void sim_scrape_state(struct sim *s);                       /* fills state */
double *sim_ring_pods(const struct sim *s, int64_t number); /* (n_pods) CPU-seconds at a scrape */
/* The oldest and the newest scrape from `from` to `to` that did not fail. False: there are not two,
 * so there is no rate. */
bool sim_scrapes_between(const struct sim *s, int64_t *from, int64_t *to);

/* hpa_pods.c */
void sim_scrape_hpa(struct sim *s, int64_t newest); /* the hpa_* columns */
static inline double sim_scrape_at(const struct sim *s, int64_t number)
{
    return s->shared->scrape_from_s + (double)number * s->shared->plant->scrape_s;
}

/* truth.c */
void sim_truth_open(struct sim *s);                   /* a period begins */
void sim_truth_close(struct sim *s);                  /* it ends: means from areas */
double sim_pod_used_s(const struct sim *s, int slot); /* CPU-seconds used by now */

/* check.c */
bool sim_consistent(const struct sim *s);

#endif
