// Package admin is how an operator sees and changes a running balancer: JSON
// over HTTP, on a TCP address, on a unix socket, or on both.
//
//	request --> door --> whence.allow --> route --> Process, state, proxy
//	            socket    who may           what
//	            or TCP    ask what
//
// Nothing here is on the way of a connection: what the workers count is read,
// what they are asked goes to them as a message.
package admin
