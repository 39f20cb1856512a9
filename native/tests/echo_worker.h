/* What the parts of the echo worker share. */
#ifndef NOODLE_TESTS_ECHO_WORKER_H
#define NOODLE_TESTS_ECHO_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "noodle/arena.h"
#include "noodle/channel.h"
#include "noodle/protocol.h"
#include "noodle/wire.h"

typedef struct request {
    noodle_channel *channel;
    noodle_record record;
    int64_t operation;
    uint64_t id;
    wire_reader arguments;
    uint32_t count;
} request;

extern noodle_worker worker;
extern uint64_t events;               /* channels whose event has come */
extern uint64_t incarnation;
extern uint64_t next_segment;
extern int64_t cancels, releases;     /* so many have come */

/* ----------------------------------------------------------------------------------- Messages */

/* Takes what lies in the socket; waits for one message if there is none. */
void echo_receive(bool wait);
/* Where a segment is mapped; ends the worker if it has none of that number. */
void *echo_address_of(uint64_t number);
void echo_begin(wire_writer *writer, void *buffer, size_t bytes);
/* Sends a message, as soon as there is space. */
void echo_send(noodle_channel *channel, noodle_record record, const wire_writer *writer);
void echo_reply(const request *to, const wire_writer *writer);
void echo_reply_error(const request *to, const char *type, const char *text);
void echo_reply_reference(const request *to, uint8_t kind, uint64_t id, uint32_t sent, const char *name);
void echo_reply_number(const request *to, int64_t number);
void echo_reply_nil(const request *to);
void echo_return_loan(noodle_channel *channel, uint64_t segment);

/* ---------------------------------------------------------------------------------- Arguments */

/* Each takes the next argument; 0, "" or false: it is something else. */
double echo_number(request *of);
void echo_text(request *of, char *to, size_t bytes);
bool echo_reference(request *of, wire_reference *to);
bool echo_array(request *of, wire_array *to);

/* ---------------------------------------------------------------------------------- Callbacks */

/* Calls back and waits for the answer, serving the channel; returns a copy of the answer. */
unsigned char *echo_call_host(noodle_channel *channel, uint64_t chain, const wire_writer *writer,
                              noodle_record *answer);
/* Answers a request with what the host has answered; frees it. */
void echo_relay(const request *to, const noodle_record *answer, unsigned char *payload);

/* ----------------------------------------------------------------------------------- Requests */

void echo_handle(noodle_channel *channel, const noodle_record *record, unsigned char *payload);
/* Does what a request asks and answers it. */
void echo_perform(request *of);

/* ---------------------------------------------------------------------------------- Functions */

/* Of callbacks and late answers. */
void echo_do_call(request *of);
void echo_do_fire(request *of);
void echo_do_keep(request *of);
void echo_do_release_kept(request *of);
void echo_do_hand_over(request *of);
void echo_do_hand_back(request *of);
void echo_do_later(request *of);
void echo_do_settle(request *of);

/* Of arrays. */
void echo_do_fill(request *of);
void echo_do_pass(request *of);
void echo_do_make(request *of);
void echo_do_claim(request *of);

#endif
