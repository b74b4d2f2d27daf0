using System.Collections.Concurrent;
using System.Linq.Expressions;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using Orleans.Calls;

namespace Orleans.Contract
{
    /// <summary>
    /// Emits the class behind a grain reference: each method packs its arguments into an array and hands them on, with the method's index, to
    /// <see cref="GrainReference"/>. No reflection takes part in a call.
    /// </summary>
    internal static class ProxyFactory
    {
        private static readonly Lock Gate = new();
        private static readonly ConcurrentDictionary<string, ModuleBuilder> Modules = new();
        private static readonly ConstructorInfo BaseConstructor = typeof(GrainReference).GetConstructors(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public).Single();
        private static readonly MethodInfo CallVoid = typeof(GrainReference).GetMethod(nameof(GrainReference.CallVoid))!;
        private static readonly MethodInfo CallResult = typeof(GrainReference).GetMethod(nameof(GrainReference.CallResult))!;

        public static Func<ICallTransport, InterfaceModel, string, GrainReference> Create(InterfaceModel model)
        {
            Type type;
            lock (Gate)
            {
                // Access checks are lifted per assembly, so that internal grain interfaces (tests have them) work like public ones.
                var module = Modules.GetOrAdd(model.Type.Assembly.GetName().Name!, NewModule);
                type = Emit(module, model);
            }

            Type[] parameters = [typeof(ICallTransport), typeof(InterfaceModel), typeof(string)];
            var arguments = Array.ConvertAll(parameters, Expression.Parameter);
            return Expression.Lambda<Func<ICallTransport, InterfaceModel, string, GrainReference>>(
                Expression.New(type.GetConstructor(parameters)!, arguments), arguments).Compile();
        }

        private static ModuleBuilder NewModule(string contract)
        {
            var assembly = AssemblyBuilder.DefineDynamicAssembly(new AssemblyName($"Plane.Engine.Proxies.{contract}"), AssemblyBuilderAccess.Run);
            var attribute = typeof(IgnoresAccessChecksToAttribute).GetConstructor([typeof(string)])!;
            foreach (var name in new[] { contract, typeof(GrainReference).Assembly.GetName().Name! }.Distinct())
            {
                assembly.SetCustomAttribute(new CustomAttributeBuilder(attribute, [name]));
            }

            return assembly.DefineDynamicModule("proxies");
        }

        private static Type Emit(ModuleBuilder module, InterfaceModel model)
        {
            var type = module.DefineType($"{model.Type.FullName!.Replace('+', '_')}Reference", TypeAttributes.Class | TypeAttributes.Sealed | TypeAttributes.Public, typeof(GrainReference), [model.Type]);
            var constructor = type.DefineConstructor(MethodAttributes.Public, CallingConventions.Standard, [typeof(ICallTransport), typeof(InterfaceModel), typeof(string)]);
            var il = constructor.GetILGenerator();
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(OpCodes.Ldarg_1);
            il.Emit(OpCodes.Ldarg_2);
            il.Emit(OpCodes.Ldarg_3);
            il.Emit(OpCodes.Call, BaseConstructor);
            il.Emit(OpCodes.Ret);
            foreach (var method in model.Methods)
            {
                EmitMethod(type, method);
            }

            return type.CreateType();
        }

        private static void EmitMethod(TypeBuilder type, MethodModel model)
        {
            var parameters = model.Method.GetParameters();
            var method = type.DefineMethod(
                $"{model.Method.DeclaringType!.FullName}.{model.Method.Name}",
                MethodAttributes.Private | MethodAttributes.Virtual | MethodAttributes.Final | MethodAttributes.HideBySig | MethodAttributes.NewSlot,
                model.Method.ReturnType,
                Array.ConvertAll(parameters, p => p.ParameterType));
            var il = method.GetILGenerator();
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(OpCodes.Ldc_I4, model.Index);
            il.Emit(OpCodes.Ldc_I4, model.ParameterTypes.Length);
            il.Emit(OpCodes.Newarr, typeof(object));
            for (var i = 0; i < model.ParameterTypes.Length; i++)
            {
                il.Emit(OpCodes.Dup);
                il.Emit(OpCodes.Ldc_I4, i);
                il.Emit(OpCodes.Ldarg, (short)(i + 1));
                if (model.ParameterTypes[i].IsValueType)
                {
                    il.Emit(OpCodes.Box, model.ParameterTypes[i]);
                }

                il.Emit(OpCodes.Stelem_Ref);
            }

            if (model.TakesCancellation)
            {
                il.Emit(OpCodes.Ldarg, (short)parameters.Length);
            }
            else
            {
                var none = il.DeclareLocal(typeof(CancellationToken));
                il.Emit(OpCodes.Ldloca, none);
                il.Emit(OpCodes.Initobj, typeof(CancellationToken));
                il.Emit(OpCodes.Ldloc, none);
            }

            il.Emit(OpCodes.Call, model.ResultType == typeof(Nothing) ? CallVoid : CallResult.MakeGenericMethod(model.ResultType));
            il.Emit(OpCodes.Ret);
            type.DefineMethodOverride(method, model.Method);
        }
    }
}

namespace System.Runtime.CompilerServices
{
    /// <summary>Known to the runtime by its name: lifts access checks from the assembly that carries it to the one it names.</summary>
    [AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
    internal sealed class IgnoresAccessChecksToAttribute(string assemblyName) : Attribute
    {
        public string AssemblyName { get; } = assemblyName;
    }
}
