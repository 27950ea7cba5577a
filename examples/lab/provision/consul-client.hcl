
# It is joined by hand: `consul join <address of the server>`.
server = false
