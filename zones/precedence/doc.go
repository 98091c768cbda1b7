// Package precedence lets the threads that answer packets go before all others of
// their process, as far as the system's scheduler does so without a privilege.
//
//	First   all other threads are nicer
//	Hurry   and theirs are short turns
//	Brief   while they wait for the next packet, the runtime leaves them alone
//
// It keeps no state. It is below both servers, the names' and the time's, since
// neither knows of the other; a real-time class would need a privilege, and a
// process of its own for the rest would have to be told each snapshot.
package precedence
