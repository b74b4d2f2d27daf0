using System.Collections.Concurrent;

namespace Plane.Tests.Proxy;

/// <summary>The services of a <see cref="FakeController"/>: one live backend a host label, started when it is entered.</summary>
internal sealed class FakeServices(FakeController controller)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, ServiceAccessInfo> _services = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Holder> _holders = new(StringComparer.Ordinal);
    private readonly Dictionary<string, KeyConfig> _labels = new(StringComparer.Ordinal);
    private long _fencing = 1000;
    private int _reads;

    /// <summary>Where started backends are; null where they stay in their start until <see cref="Ready"/>.</summary>
    public string? Address { get; set; }

    /// <summary>Stands in for the answer of an entry, unless it is null.</summary>
    public Func<EnterCommand, Task<EnterReply?>>? OnEnter { get; set; }

    /// <summary>Stands in for what is said of a service, unless it is null.</summary>
    public Func<ServiceName, Task<ServiceAccessInfo?>>? OnRead { get; set; }

    public ConcurrentQueue<EnterCommand> Entries { get; } = [];

    /// <summary>How many backends were started.</summary>
    public int Started { get; private set; }

    /// <summary>How often it was asked who may enter.</summary>
    public int Reads => Volatile.Read(ref _reads);

    public void Set(string name, ServiceAccess access, SigningKey[]? keys = null, string[]? origins = null, bool embed = false)
    {
        lock (_gate)
        {
            _services[name] = new ServiceAccessInfo
            {
                Name = ServiceName.Parse(name), Version = 1, Access = access, SigningKeys = keys ?? [], AllowedOrigins = origins ?? [], Embed = embed, ReadAt = default,
            };
        }

        Changed(name);
    }

    public void Delete(string name)
    {
        lock (_gate)
        {
            _services.Remove(name);
        }

        Changed(name);
    }

    /// <summary>Lets a hashed label be known, as when its URL was asked for.</summary>
    public string Know(string service, KeyConfig key)
    {
        var label = ServiceLabel.Of(ServiceName.Parse(service), key);
        lock (_gate)
        {
            _labels[label] = key;
        }

        return label;
    }

    /// <summary>Lets a backend that is starting become ready.</summary>
    public void Ready(string label, string address)
    {
        Holder holder;
        lock (_gate)
        {
            holder = _holders[label];
            holder.Address = address;
        }

        foreach (var token in holder.Tokens)
        {
            controller.Add(token, address, r => r with { Backend = holder.Identity, SecretToken = holder.Secret });
        }

        Change(holder, BackendStatus.Ready);
    }

    /// <summary>Lets the key of a label be free, without a word in the log.</summary>
    public void Forget(string label)
    {
        lock (_gate)
        {
            _holders.Remove(label);
        }
    }

    /// <summary>Ends the backend of a label.</summary>
    public void End(string label)
    {
        Holder holder;
        lock (_gate)
        {
            _holders.Remove(label, out holder!);
        }

        controller.State(new Route { Backend = holder.Identity, Cluster = ClusterName.Parse(TestProxy.Cluster), Address = "", Status = BackendStatus.Terminated }, BackendStatus.Terminated);
        foreach (var token in holder.Tokens)
        {
            controller.Drop(token);
        }
    }

    public async Task<ServiceAccessInfo?> ReadAccessAsync(ServiceName service)
    {
        Interlocked.Increment(ref _reads);
        if (OnRead is { } script && await script(service) is { } scripted)
        {
            return scripted;
        }

        lock (_gate)
        {
            return _services.TryGetValue(service.Value, out var info) ? info with { ReadAt = controller.Position } : null;
        }
    }

    public async Task<EnterReply> EnterAsync(EnterCommand command)
    {
        Entries.Enqueue(command);
        Assert.Null(command.Validate());
        if (OnEnter is { } script && await script(command) is { } scripted)
        {
            return scripted;
        }

        lock (_gate)
        {
            if (!_services.ContainsKey(command.Service.Value))
            {
                return new EnterReply { Outcome = EnterOutcome.NoSuchService };
            }

            var key = command.Key ?? (ServiceLabel.IsHash(command.Label) ? _labels.GetValueOrDefault(command.Label) : new KeyConfig { Name = command.Label });
            if (key is null)
            {
                return new EnterReply { Outcome = EnterOutcome.NoSuchLabel };
            }

            if (command.Scope?.Has(key) == false)
            {
                return new EnterReply { Outcome = EnterOutcome.OutOfScope };
            }

            if (!_holders.TryGetValue(command.Label, out var holder))
            {
                holder = _holders[command.Label] = new Holder(new BackendIdentity(command.BackendId, new FencingToken(++_fencing)), command.SecretToken) { Address = Address };
                Started++;
            }

            if (!holder.Tokens.Contains(command.Token))
            {
                holder.Tokens.Add(command.Token);
            }

            if (holder.Address is { } address)
            {
                controller.Add(command.Token, address, r => r with { Backend = holder.Identity, SecretToken = holder.Secret });
            }
            else
            {
                controller.AddStarting(command.Token);
            }

            return Entered(command, holder.Identity, key, holder.Address is null ? BackendStatus.Scheduled : BackendStatus.Ready);
        }
    }

    public static EnterReply Entered(EnterCommand command, BackendIdentity identity, KeyConfig? key, BackendStatus status) => new()
    {
        Outcome = EnterOutcome.Entered,
        Key = key,
        Holder = new HolderInfo { Identity = identity, Tag = "", Cluster = command.Cluster, Drone = DroneName.NewRandom(), Status = status },
    };

    public static EnterReply Refused(ErrorKind kind, TimeSpan? retryAfter = null) => new() { Outcome = EnterOutcome.Refused, Refusal = kind, Message = "not for visitors", RetryAfter = retryAfter };

    private void Changed(string name) =>
        controller.Append(new Change { Position = default, Kind = ChangeKind.Service, Cluster = default, Service = ServiceName.Parse(name) });

    private void Change(Holder holder, BackendStatus status) =>
        controller.Append(new Change { Position = default, Kind = ChangeKind.BackendState, Cluster = ClusterName.Parse(TestProxy.Cluster), Backend = holder.Identity, Status = status });

    private sealed class Holder(BackendIdentity identity, string secret)
    {
        public BackendIdentity Identity { get; } = identity;

        public string Secret { get; } = secret;

        public string? Address { get; set; }

        public List<BearerToken> Tokens { get; } = [];
    }
}
