/* What a twin of a recording shows: the columns of the state schema, as far as the recording has
 * them, and the outcomes that follow.
 *
 *   a column of the same name       as the twin predicts it
 *   desired, deployed               where only one of them was recorded, both are that one
 *   entry_*                         from the offered load, if the recording has it
 *   id                              the number of the service
 *   anything else                   unknown: 0, with an age of INFINITY
 *
 * A service whose replicas cannot change (min_replicas = max_replicas) has so many, recorded or
 * not. Two outcomes also come from columns that the schema does not have: `success` from the error
 * ratio of the entry services, and `latency` from their 95 % (else 99 %) quantile, which is larger
 * than the mean that it stands for.
 */
#ifndef KARMA_TWIN_SHOWN_H
#define KARMA_TWIN_SHOWN_H

#include "core/plant/outcomes.h"
#include "core/plant/topology.h"
#include "core/twin/model.h"

struct shown {
    const struct topology *topology;
    const struct twin_model *model;
    int n_state;                 /* of the schema */
    int *from;                   /* (n_state) column of the recording, or enum shown_source */
    float *age;                  /* (n_state) lag_s; INFINITY: unknown */
    int *service;                /* (n_services) of the topology: its number in the recording */
    int *error_ratio, *quantile; /* (n_services) columns of the recording; FEATURES_NONE */
    unsigned known;              /* bits of the outcomes that are known in such a twin */
};

/* Both by reference. The services must be those of the recording (twin_check()). */
enum err shown_init(struct shown *s, struct arena *arena, const struct twin_model *model,
                    const struct topology *topology, const struct plant_cfg *cfg) WARN_UNUSED;

/* out (n_state) of a state of the twin; loads (2): of the last period, and before it. */
void shown_state(float *out, const struct shown *s, const float *state, const float *loads);

/* view (n_state): what shown_state() made of `state`. */
void shown_outcomes(struct plant_outcomes *out, const struct shown *s, const float *view,
                    const float *state, const struct plant_cfg *cfg);

/* Number of the service in the recording; FEATURES_NONE. */
int shown_service(const struct twin_model *model, const char *name);

#endif
