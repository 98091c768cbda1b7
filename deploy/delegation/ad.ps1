# Windows DNS (Active Directory), in an elevated PowerShell. The zone is
# pool.example; the timepool nodes are 192.0.2.53 and 198.51.100.53.
# Choose 1 or 2.

# 1. The parent zone, example, is on these servers: delegate.
Add-DnsServerZoneDelegation -Name 'example' -ChildZoneName 'pool' `
    -NameServer 'ns1.pool.example' -IPAddress '192.0.2.53'
Add-DnsServerZoneDelegation -Name 'example' -ChildZoneName 'pool' `
    -NameServer 'ns2.pool.example' -IPAddress '198.51.100.53'

# 2. It is not: forward what is asked about the pool, from every domain controller.
Add-DnsServerConditionalForwarderZone -Name 'pool.example' `
    -MasterServers 192.0.2.53, 198.51.100.53 -ReplicationScope 'Forest'

# Windows rotates answers and sorts them by netmask unless it is told not to, for
# the whole server; then the nearer members stay in front:
#   dnscmd /Config /RoundRobin 0
#   dnscmd /Config /LocalNetPriority 0

# Look.
Resolve-DnsName -Name 'pool.example' -Type A -DnsOnly

# Members of a domain take their time from the domain. Point the forest root's
# PDC emulator, and hosts outside a domain, at the pool:
#   w32tm /config /syncfromflags:manual /manualpeerlist:"0.pool.example,0x8 1.pool.example,0x8 2.pool.example,0x8 3.pool.example,0x8" /update
