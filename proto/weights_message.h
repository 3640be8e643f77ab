/* Weights seen as their message: pointers only. For the codecs of weights and update dump. */
#ifndef KARMA_PROTO_WEIGHTS_MESSAGE_H
#define KARMA_PROTO_WEIGHTS_MESSAGE_H

#include "core/marl/weights.h"
#include "proto/weights.pb-c.h"

void weights_message(Karma__Weights *m, const struct weights *w, int team);

#endif
