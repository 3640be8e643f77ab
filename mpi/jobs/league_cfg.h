/* Section `league` of a configuration: how karma league builds its two populations. */
#ifndef KARMA_JOBS_LEAGUE_CFG_H
#define KARMA_JOBS_LEAGUE_CFG_H

#include "core/base/config.h"

struct league_cfg {
    int rounds;      /* at most; each adds at most one member to either side */
    uint64_t *seeds; /* train.seed of the trainings of a best response */
    int n_seeds;
};
extern const struct cfg_field league_fields[];

#endif
